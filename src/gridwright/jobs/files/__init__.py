"""Files to readings, and readings to files."""
