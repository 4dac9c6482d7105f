"""Sentence embeddings: what a student learns of another model's vectors, and what its own are good for."""
