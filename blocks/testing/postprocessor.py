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

        def chunks(size: int) -> list[AnswerChunk]:
            parts = [slice(start, start + size) for start in range(0, len(truth), size)]
            return [AnswerChunk({name: value[part] for name, value in rows.items()}, truth[part]) for part in parts]

        def learned(size: int) -> Any:
            return unlearned(block).calibrate(chunks(size))

        calibrated = learned(len(truth))
        for size in CHUNKS:
            with rule(block, f"calibrating in chunks (here of {size}) gives what calibrating at once gives"):
                same_state(calibrated.state, learned(size).state, max(options.chunk_tolerance, options.tolerance))
        with rule(block, "merged statistics of parts teach what the whole teaches, and observing changes no block"):
            fresh = unlearned(block)
            merged, *others = (fresh.observe_all([part]) for part in chunks(len(truth) // 2))
            for other in others:
                for name, statistic in other.items():
                    merged.setdefault(name, statistic.empty()).merge(statistic)
            same_state(calibrated.state, fresh.learn(merged), max(options.chunk_tolerance, options.tolerance))
            same_state(unlearned(block).state, fresh.state)
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
