"""From totals and rate cards to bills."""
