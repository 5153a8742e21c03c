"""Blocks of places on Earth."""
