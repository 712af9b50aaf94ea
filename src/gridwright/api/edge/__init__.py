"""Numbered batches of the edges, applied once."""
