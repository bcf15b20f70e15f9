"""Event logs: the durable order of everything that was accepted. One file an implementation."""
