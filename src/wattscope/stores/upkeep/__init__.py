"""Looking after the files: verify, repair, scrub, retention, backup, export."""
