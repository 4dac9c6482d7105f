"""Converted CTranslate2 models, as teachers and as the search of others."""
