"""CSV, on Arrow's parser: what it loses without a word (long numbers, other delimiters, bad rows) is found and told."""
