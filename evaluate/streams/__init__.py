"""The test recordings of a machine played as long streams."""
