"""Files of a format: what in them is to be translated comes out, the same file with its translations goes back in."""
