"""The console: pages that a server renders, for people with a browser."""
