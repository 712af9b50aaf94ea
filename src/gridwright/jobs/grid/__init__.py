"""Balances of the network, and what it reports."""
