"""What a run makes, one after another: each stage, what it depends on, and when it is still valid."""
