"""Ways to tell somebody of an alert, one file each."""
