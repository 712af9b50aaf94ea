"""Archive, backup, keys, health and proof."""
