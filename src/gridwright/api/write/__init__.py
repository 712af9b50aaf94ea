"""Group commit: what was decoded becomes durable."""
