"""Scoring microphones and pipes as the sound arrives."""
