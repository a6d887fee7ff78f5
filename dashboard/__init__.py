"""The web site: settings, pages, the websocket. Writes only through orchestration.services."""
