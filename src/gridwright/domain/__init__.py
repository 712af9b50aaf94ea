"""The nouns: frozen values that every stage takes and returns; standard library and numpy only, no input or output."""
