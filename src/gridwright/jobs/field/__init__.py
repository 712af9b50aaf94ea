"""Devices commissioned, read and switched."""
