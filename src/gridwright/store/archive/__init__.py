"""Closed months in Parquet, and back."""
