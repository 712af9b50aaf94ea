"""The validation rules of the catalogue A2: small values, one file a family, that find and explain doubts."""
