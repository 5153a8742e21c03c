"""Inspection: what is in the rows, what of it is unusable, and what has changed; over the statistics that exist."""
