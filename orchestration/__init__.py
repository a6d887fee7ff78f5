"""The domain of Drover: what tasks, nodes and agents are, and everything that happens to them. Imports nothing of the dashboard."""
