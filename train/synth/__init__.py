"""Synthetic machines and their faults."""
