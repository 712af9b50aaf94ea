"""Devices, controls, networks, programs and edges."""
