"""Meters exchanged, claimed, and their readings edited."""
