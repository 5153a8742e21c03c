"""Blocks of text."""
