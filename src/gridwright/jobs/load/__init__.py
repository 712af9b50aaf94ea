"""From the store to what a stage takes."""
