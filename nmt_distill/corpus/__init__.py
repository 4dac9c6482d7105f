"""From sources of text to line-aligned training, development and test files, with an account of every line dropped."""
