"""The small model: its two graphs, how it starts from its teacher, how it is kept on disk."""
