"""The entrances by HTTP: readings in, everything else out."""
