"""Everything that speaks Ollama's protocol: the client, the shapes of its answers, and a simulated server."""
