"""Rows of databases, through ADBC. What one kind of database is lies in a file of its own; `sql_reader` reads any."""
