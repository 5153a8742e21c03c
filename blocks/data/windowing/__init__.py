"""Windows over time: rows of fixed-size lists, made from rows in the order of time of each entity."""
