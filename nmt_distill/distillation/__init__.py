"""What the teacher hands down: translations, soft targets, decoder states, and the losses that use them."""
