"""File codecs: bytes of a known format in, columns of readings out."""
