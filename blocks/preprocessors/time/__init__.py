"""Blocks of instants, dates, times of day and durations."""
