"""From a student to what people run, with the proof that it is the same model."""
