"""Servers that translate."""
