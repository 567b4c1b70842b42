"""Recordings of what alarms sounded like."""
