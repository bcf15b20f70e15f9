"""Sources: where messages come from. One file a protocol; a source only connects and hands over."""
