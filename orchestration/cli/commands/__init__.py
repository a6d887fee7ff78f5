"""The commands, one file per noun; each is a few lines between what was typed and one call of the REST API."""
