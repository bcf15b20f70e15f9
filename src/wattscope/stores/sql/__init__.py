"""Questions in SQL: what may be asked, what it needs at most, and the views that it sees."""
