"""Tables of databases: what one kind of database needs lies in a file of its own; `write_table` writes any."""
