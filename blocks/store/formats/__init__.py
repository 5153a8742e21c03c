"""What a shard can be, one format a file."""
