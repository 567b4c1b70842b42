"""`--page`: serves a live page for browsers."""
