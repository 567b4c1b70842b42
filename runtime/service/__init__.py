"""`edgeae service`: a systemd unit that listens for months."""
