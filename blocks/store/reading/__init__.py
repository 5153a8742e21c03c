"""From shards to batches: chunks are read ahead, shuffled and cut."""
