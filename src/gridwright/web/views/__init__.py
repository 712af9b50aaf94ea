"""What a page shows, as JSON: pure functions from nouns to dicts, the same for the page and its twins."""
