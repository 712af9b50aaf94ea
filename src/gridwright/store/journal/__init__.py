"""Readings that are durable, and wait to be folded into their days."""
