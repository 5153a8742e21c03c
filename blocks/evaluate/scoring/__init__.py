"""The sums that metrics, curves and intervals are made of: one pass, by group, bounded memory."""
