"""What a change of readings sets going."""
