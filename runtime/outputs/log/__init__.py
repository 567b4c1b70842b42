"""`--log`: all lines in a file of JSON lines."""
