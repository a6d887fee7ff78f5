"""What runs in the background: the scheduler decides, the monitor watches nodes, the worker calls Ollama."""
