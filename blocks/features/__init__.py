"""Features as they are packed: the specification of every entry, entries' names, sparse rows."""

from blocks.features.spec import Entry, FeatureSpec

__all__ = ["Entry", "FeatureSpec"]
