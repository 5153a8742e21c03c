"""Prediction tables: written, opened, described, grouped."""
