"""One shard, from blocks of rows to a published file: the steps that every format shares."""

from collections.abc import Iterable, Mapping

import numpy as np

from blocks.files import durable
from blocks.files.place import Place
from blocks.store.checksum import chunk_sum, file_sum
from blocks.store.formats.shard import Shard, ShardSettings
from blocks.store.rows import narrow
from blocks.store.stored_array import apart


def write_shard(path: Place, settings: ShardSettings, blocks: Iterable[Mapping[str, np.ndarray]]) -> Shard:
    """Write and publish one shard.

    Args:
        path: where it will be, whole.
        settings: how it is written.
        blocks: chunks of `settings.rows_per_chunk` rows, the last one perhaps shorter.

    Returns:
        What the manifest lists.
    """
    rows = 0
    sums: dict[str, list[str]] = {name: [] for name in settings.parts}
    with durable.whole_file(path) as file:
        writer = settings.form.writer(file, settings)
        try:
            for given in blocks:
                block = {name: narrow(array) for name, array in apart(given).items()}
                for name, array in block.items():
                    sums[name].append(chunk_sum(array))
                writer.append(block)
                rows += len(next(iter(given.values())))
            listed = writer.finish()
        except BaseException:
            writer.abort()
            raise
        plain = {} if settings.access == "records" else {name: "".join(parts) for name, parts in sums.items()}
        listed["sums"] = plain | listed.get("sums", {})
        size, checksum = file.stat().st_size, file_sum(file)
    return Shard(file=path.name, rows=rows, bytes=size, checksum=checksum, **listed)
