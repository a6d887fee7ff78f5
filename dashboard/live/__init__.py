"""The live view's way out: one Redis reader per process, topics, and flow control for each socket."""
