"""A command for each event."""
