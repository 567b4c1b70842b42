"""`--on-event`: runs a command for each event."""
