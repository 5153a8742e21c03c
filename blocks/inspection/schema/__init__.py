"""What is expected of rows: inferred, edited, saved, and held against other rows."""
