"""From records to a trained student: batches, schedule, the loop."""
