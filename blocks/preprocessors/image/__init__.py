"""Blocks of images."""
