"""Claim: a vocabulary of five million distinct tokens is learned within a stated memory, and right within its bound.

    python benchmarks/vocabulary.py [DISTINCT]

A fresh process makes a stream of tokens (Zipf's head and a tail in which every token comes once) chunk by chunk and
adapts a `Vocabulary(top_k=...)` of the default memory on it; the growth of its peak resident memory is compared with
five times `max_bytes`, what `Counts` states while it puts counts together. The peer is a dict that counts exactly.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from measure import publish, resident

CHUNK = 65_536
TOP_K = 1_000


def ranks(distinct: int) -> Iterator[np.ndarray]:
    """As many rows of a Zipf head as of tail tokens, none of which comes twice."""
    random = np.random.default_rng(0)
    for start in range(0, distinct, CHUNK):
        tail = 1_000_000 + np.arange(start, min(start + CHUNK, distinct))
        head = np.minimum(random.zipf(1.2, len(tail)), 1_000_000) - 1
        yield random.permutation(np.concatenate([tail, head]))


def stream(distinct: int) -> Iterator[pa.RecordBatch]:
    """Chunks of one column of text."""
    for rows in ranks(distinct):
        tokens = pc.binary_join_element_wise("token ", pa.array(rows).cast(pa.string()), "")
        yield pa.record_batch({"token": tokens})


def ours(distinct: int) -> dict[str, Any]:
    """Adapt, and how the kept tokens compare with the true counts."""
    import warnings

    import blocks  # isort: skip  (before TensorFlow, which loads Arrow)
    from blocks.offline.adapt import adapt
    from blocks.preprocessors import Columns, Vocabulary

    warnings.simplefilter("ignore")
    columns = Columns({"token": Vocabulary(top_k=TOP_K)})
    chunks = stream(distinct)
    schema = pa.schema([("token", pa.string())])
    source = blocks.read(pa.RecordBatchReader.from_batches(schema, chunks))
    before, start = resident(), time.perf_counter()
    summary = adapt(columns, None, source, verbose=False)
    seconds, grown = time.perf_counter() - start, resident(most=True) - before
    block = columns["token"][0][0]
    counts: Counter[int] = Counter()
    for rows in ranks(distinct):
        found, often = np.unique(rows[rows < 1_000_000], return_counts=True)
        counts.update(dict(zip(found.tolist(), often.tolist(), strict=True)))
    kept = {int(token.split()[1]) for token in block.tokens}
    least = counts.most_common(TOP_K)[-1][1]
    surely = {rank for rank, count in counts.items() if count > least + block.count_error}
    return {
        "seconds": seconds,
        "bytes": grown,
        "count_error": block.count_error,
        "max_bytes": summary["token/0:Vocabulary/counts"].parameters()["max_bytes"],
        "rows": 2 * distinct,
        "missed_beyond_the_bound": len(surely - kept),
        "of_the_true_top_k": len({rank for rank, _ in counts.most_common(TOP_K)} & kept),
    }


def exact(distinct: int) -> dict[str, Any]:
    """The same by a dict."""
    before, start = resident(), time.perf_counter()
    counts: Counter[str] = Counter()
    for chunk in stream(distinct):
        counts.update(chunk.column(0).to_pylist())
    counts.most_common(TOP_K)
    return {"seconds": time.perf_counter() - start, "bytes": resident(most=True) - before, "distinct": len(counts)}


def child(who: str, distinct: int) -> dict[str, Any]:
    """A contestant in a process of its own."""
    command = [sys.executable, __file__, "--child", who, str(distinct)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


def main() -> None:
    distinct = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    found = {who: child(who, distinct) for who in ("ours", "exact")}
    mine, dict_ = found["ours"], found["exact"]
    stated = 5 * mine["max_bytes"]
    claims = [
        {
            "claim": f"vocabulary of {dict_['distinct']:,} tokens, memory over what is stated",
            "ours": f"{mine['bytes'] >> 20} MiB",
            "theirs": f"{stated >> 20} MiB",
            "ratio": mine["bytes"] / stated,
            "target": "<= 1.25",
        },
        {
            "claim": "the same, memory over an exact dict's",
            "ours": f"{mine['bytes'] >> 20} MiB",
            "theirs": f"{dict_['bytes'] >> 20} MiB",
            "ratio": mine["bytes"] / dict_["bytes"],
            "target": None,
        },
        {
            "claim": "the same, speed over an exact dict",
            "ours": f"{mine['seconds']:.1f} s",
            "theirs": f"{dict_['seconds']:.1f} s",
            "ratio": dict_["seconds"] / mine["seconds"],
            "target": None,
        },
        {
            "claim": f"top {TOP_K:,}: tokens missed that are frequent beyond the bound of {mine['count_error']:,} rows",
            "ours": str(mine["missed_beyond_the_bound"]),
            "theirs": "0",
            "ratio": float(mine["missed_beyond_the_bound"]),
            "target": "<= 0",
        },
    ]
    publish("vocabulary", claims, found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps({"ours": ours, "exact": exact}[sys.argv[2]](int(sys.argv[3]))))
    else:
        main()
