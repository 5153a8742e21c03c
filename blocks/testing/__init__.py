"""The contract of a block (DESIGN.md) as a check that anybody can run on a block of their own."""

from blocks.testing.check import check_block

__all__ = ["check_block"]
