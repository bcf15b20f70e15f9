"""Live views: the latest value of every series."""
