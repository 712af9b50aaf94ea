"""What `verify` computes again."""
