"""`--webhook`: posts events, gaps and status lines to a web server."""
