"""Large models that label text: one engine a folder."""
