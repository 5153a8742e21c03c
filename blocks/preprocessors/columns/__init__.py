"""`Columns`: a block or chain for each column, inferred or given, run as one layer."""
