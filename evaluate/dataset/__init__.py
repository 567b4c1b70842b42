"""`edgeae inspect`: a report on a data set."""
