"""Strings in, scores and reports out; never a model."""
