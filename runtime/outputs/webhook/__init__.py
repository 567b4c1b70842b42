"""Events, gaps and status lines to a web server."""
