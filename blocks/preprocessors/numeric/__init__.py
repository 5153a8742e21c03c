"""Blocks of numbers."""
