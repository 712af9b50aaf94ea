"""Jobs: one file for each thing the platform does; each joins stages and store and reads as a sentence."""
