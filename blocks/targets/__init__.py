"""A target as a column, classes and labels. No head lives here."""
