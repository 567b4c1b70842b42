"""Capture devices: their names, what they accept, their sound."""
