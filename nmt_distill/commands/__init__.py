"""The verbs of the command line that are more than a stage of a run, a module each."""
