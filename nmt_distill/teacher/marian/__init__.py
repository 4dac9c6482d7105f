"""Marian's own files, read with full probabilities."""
