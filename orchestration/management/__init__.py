"""Drover's own start-up: the commands and what they need to watch over processes. A door like the others."""
