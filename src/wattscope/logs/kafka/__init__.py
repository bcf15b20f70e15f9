"""The event log on Kafka: shared by many processes, one role each."""
