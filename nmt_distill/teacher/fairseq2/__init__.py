"""NLLB by fairseq2."""
