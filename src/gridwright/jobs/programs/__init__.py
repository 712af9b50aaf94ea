"""Demand response: called, measured, paid."""
