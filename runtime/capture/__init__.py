"""Capture devices through ALSA."""
