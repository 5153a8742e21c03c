"""The rules of postprocessors: answers pass, and calibration adds up."""

from typing import Any

import numpy as np

from blocks.block import AnswerChunk, Postprocessor
from blocks.errors import BlocksError
from blocks.testing.rules import refused, require, rule, same_state
from blocks.testing.sample_rows import CHUNKS, Case, Options, call, tile, unlearned


def postprocessor_case(block: Postprocessor, data: Any, options: Options) -> Case:
    """The block calibrated, where it does that, after the rules of calibration."""
    answers, target = data if isinstance(data, tuple) else (data, None)
    rows = {name: tile(np.asarray(value)) for name, value in answers.items()}
    calibrated = block.copy()
    if block.calibrates and target is not None:
        truth = tile(np.asarray(target))

        def learned(size: int) -> Any:
            parts = [slice(start, start + size) for start in range(0, len(truth), size)]
            return unlearned(block).calibrate(
                AnswerChunk({name: value[part] for name, value in rows.items()}, truth[part]) for part in parts
            )

        calibrated = learned(len(truth))
        for size in CHUNKS:
            with rule(block, f"calibrating in chunks (here of {size}) gives what calibrating at once gives"):
                same_state(calibrated.state, learned(size).state, max(options.chunk_tolerance, options.tolerance))
        with rule(block, "calibrating twice changes nothing"):
            same_state(calibrated.state, learned(len(truth)).state)
        nothing = rule(block, "calibrating on nothing is refused with an error of blocks")
        with nothing, refused(BlocksError, otherwise="it calibrated"):
            unlearned(block).calibrate([])
    with rule(block, "answers that come in go out, under their names"):
        out = call(calibrated, rows)
        require(set(rows) <= set(out), f"{sorted(set(rows) - set(out))} lost")
        finite = all(np.isfinite(value).all() for value in out.values() if value.dtype.kind == "f")
        require(finite or not options.finite, "values that are not finite")
    return Case(calibrated, rows)
