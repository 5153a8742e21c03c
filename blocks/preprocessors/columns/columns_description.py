"""`Columns` as text: what was chosen for each column and why, and what its blocks have learned."""

from collections.abc import Iterator, Sequence

import numpy as np

from blocks.preprocessors.columns.keyed_chains import Chains, KeyedChains, key_text, selector_text
from blocks.preprocessors.columns.lanes import Lane


def text_of_choices(keyed: KeyedChains) -> str:
    """A line for each key, with the reason where `infer` chose; and for each column that it left out."""
    reasons = {choice.column: choice.reason for choice in keyed.choices}
    rows = [(key_text(key), _names(chains)) for key, chains in keyed.chains.items()]
    rows += [(selector_text(key), _names(chains)) for key, chains in keyed.selectors]
    rows += [(choice.column, "(left out)") for choice in keyed.choices if not choice.blocks]
    return "\n".join(_aligned([(name, what, reasons.get(name, "")) for name, what in rows]))


def text_of_state(lanes: Sequence[Lane]) -> str:
    """A line for each block, with what it has learned."""
    rows = []
    for lane in lanes:
        for block in lane.blocks:
            summary = ", ".join(f"{name}={_brief(value)}" for name, value in block.state.items())
            rows.append((lane.name, type(block).__name__, summary or "(learns nothing)"))
    return "\n".join(_aligned(rows))


def _names(chains: Chains) -> str:
    return "; ".join(" > ".join(type(block).__name__ for block in chain) for chain in chains)


def _brief(value: np.ndarray) -> str:
    if value.size == 1:
        return f"{value.item():.6g}" if value.dtype.kind == "f" else str(value.item())
    return f"{value.dtype.name}[{value.size}]"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
