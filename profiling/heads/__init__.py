"""Heads: what is trained on frozen features, and the bank that trains many of them at once."""
