"""Customer data encrypted at rest."""
