"""Nouns turned into what people read: reports, bills."""
