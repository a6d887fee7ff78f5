"""Template tags and filters of the dashboard: marks are drawings, numbers are words and figures."""
