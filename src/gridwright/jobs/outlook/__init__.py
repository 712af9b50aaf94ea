"""Forecasts, plans and reports."""
