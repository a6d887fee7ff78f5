"""The ``drover`` command: a client of the REST API that imports neither Django nor the rest of Drover."""
