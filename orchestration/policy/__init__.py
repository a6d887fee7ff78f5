"""Pure decisions: no Django, no I/O, no clock. Everything a rule needs is an argument."""
