"""The domain of Drover: tasks, nodes, agents, and everything that happens to them. Imports nothing of the dashboard."""
