"""Wire codecs without input or output: bytes in, events out; standard library only, nothing of Gridwright known."""
