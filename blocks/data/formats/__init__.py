"""What rows are read from, one format a file."""
