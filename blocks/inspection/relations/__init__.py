"""What stands between columns, rows and splits: associations, copies, leaks, duplicates, order."""
