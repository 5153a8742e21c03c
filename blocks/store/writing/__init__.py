"""From rows to shards, whole or not at all."""
