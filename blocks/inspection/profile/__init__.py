"""What there is in the rows: statistics of every column as values, text, page and JSON."""
