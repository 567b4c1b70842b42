"""Recordings and samples: formats, levels, resampling, names and labels."""
