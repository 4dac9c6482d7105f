"""The one SentencePiece model of teacher, student and translator, and how it is made smaller."""
