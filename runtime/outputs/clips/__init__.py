"""`--clips`: the sound around each alarm, as FLAC files."""
