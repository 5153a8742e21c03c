"""Finding damage: what opening a store verifies, what a full check verifies. Nothing here raises because of damage."""

import os
from concurrent.futures import ThreadPoolExecutor

from blocks.errors import CorruptShard, NewerFormat, StoreError
from blocks.files.place import Place, is_damage, place, unreachable
from blocks.files.regular_files import NotRegular, file_size
from blocks.store import manifest
from blocks.store.checksum import file_sum
from blocks.store.formats.shard import Shard
from blocks.store.manifest import Manifest
from blocks.store.reading.chunk_reader import DAMAGE, ChunkReader, allocate


def absent(folder: Place, content: Manifest) -> list[str]:
    """Name the shards that are missing or of another size than listed: all that opening looks at.

    Args:
        folder: the store's.
        content: its manifest.

    Returns:
        One line a shard, empty where all are there.

    Raises:
        StoreError: whether one is there cannot be told now.
    """
    problems = []
    for shard in (shard for shards in content.splits.values() for shard in shards):
        try:
            size = file_size(folder / shard.file)
        except NotRegular as error:
            problems.append(f"{shard.file}: {error.strerror}")
        except OSError as error:
            if not is_damage(error, folder):
                raise unreachable(folder / shard.file, error) from error
            problems.append(f"{shard.file}: cannot be found ({error.strerror})")
        else:
            if size != shard.bytes:
                problems.append(f"{shard.file}: {size} bytes instead of {shard.bytes}")
    return problems


def require_files(folder: Place, content: Manifest) -> None:
    """Refuse a store of which a shard is missing or of another size.

    Raises:
        CorruptShard: naming the first few.
    """
    if problems := absent(folder, content):
        raise CorruptShard(
            f"The store '{folder}' is damaged: {'; '.join(problems[:3])}. "
            "Write these shards again by blocks.open_store(path, repairing=True).repair(splits, planner=model.plan), "
            "restore the files, or pass overwrite=True."
        )


def check(path: str | os.PathLike[str], threads: int = 2) -> list[str]:
    """Verify every checksum, count and shape of a store.

    Args:
        path: the store's folder.
        threads: that sum files at the same time.

    Returns:
        One line a problem, beginning with the file's name; empty where the store is as it was written.

    Example:
        >>> check("no/such/folder")
        ["manifest.json: 'no/such/folder' is not a store: ..."]
    """
    folder = place(path)
    try:
        content = manifest.load(folder)
    except (StoreError, NewerFormat, OSError) as error:
        return [f"{manifest.NAME}: {error}"]
    shards = [shard for shards in content.splits.values() for shard in shards]
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(lambda shard: _told(folder, content, shard), shards)
        return [problem for problems in found for problem in problems]


def _told(folder: Place, content: Manifest, shard: Shard) -> list[str]:
    try:
        return shard_problems(folder, content, shard)
    except StoreError as error:
        return [f"{shard.file}: {error.strerror or error}"]


def shard_problems(folder: Place, content: Manifest, shard: Shard) -> list[str]:
    """Verify one shard: its size, the file's checksum, the datasets' shapes, and every chunk as it is read.

    Args:
        folder: the store's.
        content: its manifest.
        shard: of the manifest.

    Returns:
        One line a problem, beginning with the file's name.
    """
    path = folder / shard.file
    try:
        if (size := file_size(path)) != shard.bytes:
            return [f"{shard.file}: {size} bytes instead of {shard.bytes}"]
        if file_sum(path) != shard.checksum:
            return [f"{shard.file}: its checksum {shard.checksum} does not hold"]
        problems = content.settings.form.problems(path, shard, content.settings)
        reader = ChunkReader(folder, content)
        for chunk in range(-(-shard.rows // content.rows_per_chunk)):
            reader.read(shard, chunk, allocate(reader, shard, chunk, content.entries))
    except CorruptShard as error:
        return [f"{shard.file}: {error}"]
    except StoreError:
        raise
    except NotRegular as error:
        return [f"{shard.file}: {error.strerror}"]
    except DAMAGE as error:
        if isinstance(error, OSError) and not is_damage(error, folder):
            raise unreachable(path, error) from error
        return [f"{shard.file}: {error}"]
    return problems
