"""Copies of a whole database, and their restoring."""
