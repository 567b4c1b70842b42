"""Calibration: the head and threshold of one machine from a minute of its normal sound."""

from .calibrate import calibrate

__all__ = ["calibrate"]
