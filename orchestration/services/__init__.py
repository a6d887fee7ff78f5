"""Every write, one file per noun: row, then audit, then after the commit the event and the wake-up."""
