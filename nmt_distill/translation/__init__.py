"""Text in, text out, with an exported model: what is protected, cut and put back, and the engine. No torch."""
