"""Systems that translate, how each is loaded, and the tables in which they stand: one run, several, rows of runs."""
