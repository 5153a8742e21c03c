"""Which rows go and why, and tables put together again."""
