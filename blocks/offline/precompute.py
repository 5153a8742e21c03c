"""Precompute: sources through a preprocessor's own layers and a head's encoding into a store, once."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from blocks.block import Classifier, Head
from blocks.data import read
from blocks.errors import EmptySource, InvalidArgument, StoreError, StoreMismatch
from blocks.offline.encoded_rows import EncodedRows
from blocks.offline.out_of_fold import splits_out_of_fold
from blocks.offline.store_parts import described_parts, store_parts, why_not
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns
from blocks.progress import Verbose, check_verbose
from blocks.store import Rows, SplitPlan, Store, open_store
from blocks.store.store import write
from blocks.targets.description import describe_heads

OPTIONS = ("layout", "compression", "rows_per_shard", "rows_per_chunk", "workers", "overwrite")
"""What `blocks.store.writing.write.write` takes of a user's, beside the format."""


def split_plan(transform: Transform, head: Head, data: Any, keys: Sequence[str] = ()) -> SplitPlan:
    """How a split's rows are made of its source, from any row on.

    Args:
        transform: The preprocessor's fast path.
        head: Encodes the target.
        data: Anything that `blocks.read` takes.
        keys: Columns that travel along.
    """
    source = read(data)
    encoded = EncodedRows(source, transform, head, keys)

    def chunks(skip: int) -> Iterator[Rows]:
        # a split may be empty, if another is not: the writer sees to that
        with suppress(EmptySource):
            yield from encoded.chunks(skip)
        encoded.warn()

    return SplitPlan(chunks, source.estimated_rows())


def precompute(
    transform: Transform,
    preprocessor: Columns,
    head: Head,
    splits: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    format: str,
    keys: Sequence[str],
    by_content: bool,
    verbose: Verbose,
    **options: Any,
) -> Store:
    """Write a store; see `Model.precompute`."""
    if not isinstance(splits, Mapping) or not splits:
        raise InvalidArgument(
            'precompute takes a dict of splits, as source.split(...) returns it, or {"train": source}. '
            f"Received: {type(splits).__name__}."
        )
    if isinstance(keys, str):
        raise InvalidArgument(f"keys is a list of columns. Use keys=[{keys!r}].")
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise InvalidArgument(f"precompute also takes {', '.join(OPTIONS)}. Received: {', '.join(unknown)}.")
    check_verbose(verbose)
    sources = {name: read(data) for name, data in splits.items()}
    spec = transform.spec
    columns = {f"features/{name}": entry.names for name, entry in spec.items()}
    columns |= {f"target/{name}" if name else "target": one.encoded_columns for name, one in head.heads.items()}
    if head.sample_weight is not None:
        columns["weight"] = (head.sample_weight,)
    metadata: dict[str, Any] = {
        "heads": [_described(head, one) for one in describe_heads(head)],
        "head_state": head.get_config()["state"],
        "described": described_parts(preprocessor),
        **splits_out_of_fold(transform, sources),
    }
    try:
        store = write(
            path,
            {name: split_plan(transform, head, source, keys) for name, source in sources.items()},
            fingerprint={
                "source": {name: source.fingerprint(content=by_content) for name, source in sources.items()},
                "keys": list(keys),
                **store_parts(preprocessor, head),
            },
            planner=partial(split_plan, transform, head),
            format=format,
            columns=columns,
            spec=spec.to_json(),
            metadata=metadata,
            verbose=verbose,
            **options,
        )
    except StoreMismatch as error:
        raise StoreMismatch(f"{error}{_why(path, preprocessor)}") from error
    if store.reused and verbose != 0:
        print(f"{path}: this store fits already, nothing is done", file=sys.stderr)
    return store


def _why(path: str | os.PathLike[str], preprocessor: Columns) -> str:
    """What a store that does not fit was made with otherwise, as far as it tells."""
    try:
        return why_not(open_store(path).metadata, preprocessor)
    except StoreError:
        return ""


def _described(head: Head, one: dict[str, Any]) -> dict[str, Any]:
    """What a manifest says of a head: what it predicts, and of a classifier each class's rows and their share."""
    of_head = head.heads[one["name"]]
    if not isinstance(of_head, Classifier):
        return one
    return {**one, "counts": of_head.state["counts"].tolist(), "priors": of_head.priors.tolist()}
