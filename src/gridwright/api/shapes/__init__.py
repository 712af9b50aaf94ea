"""Shapes: what the nouns of the domain look like as JSON; instants are RFC 3339 in UTC, decimals are texts."""
