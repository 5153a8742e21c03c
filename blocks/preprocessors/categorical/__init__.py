"""Blocks of categories: from tokens, flags and ids to ids or numbers."""
