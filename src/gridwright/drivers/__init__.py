"""Device families: a protocol's session in the nouns of the domain; `profiles/*.toml` describes devices as data."""
