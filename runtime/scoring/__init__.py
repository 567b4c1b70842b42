"""From log-mel frames to scores."""
