"""Bodies of requests to readings with a verdict each."""
