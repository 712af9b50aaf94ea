"""Day blocks: packed, merged, read, with what they superseded."""
