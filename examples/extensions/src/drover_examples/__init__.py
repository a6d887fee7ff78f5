"""Worked examples of what a package may add to Drover."""
