"""One SavedModel: written, and proven equal to what was computed offline."""

from blocks.export.savedmodel import export, golden_rows, read_parts
from blocks.export.verification import Verification, verify

__all__ = ["Verification", "export", "golden_rows", "read_parts", "verify"]
