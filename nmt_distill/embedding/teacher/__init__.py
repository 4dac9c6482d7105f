"""Models whose sentence vectors a student learns, one engine a file."""
