"""Why a model answers as it does: of one row, and of a column over many."""
