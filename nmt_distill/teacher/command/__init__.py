"""Programs that turn lines into lines."""
