"""What a shard can be, one format a file; here is the table of them."""

from collections.abc import Iterable

from blocks.errors import InvalidArgument
from blocks.store.formats.hdf5 import Hdf5
from blocks.store.formats.shard import ShardFormat
from blocks.store.formats.tf_examples import TFExamples
from blocks.store.formats.tfrecord import TFRecord

FORMATS: tuple[ShardFormat, ...] = (Hdf5(), TFRecord(), TFExamples())


def shard_format(name: str, layout: str, compression: str | None) -> ShardFormat:
    """Find a format by what `write` is given.

    Raises:
        InvalidArgument: there is none, or it has no such compression.

    Example:
        >>> shard_format("hdf5", "chunk", "gzip").file_name("train", 3)
        'train-00003.h5'
        >>> shard_format("hdf5", "example", None)
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: layout must be 'chunk' for format='hdf5'. Received: 'example'.
    """
    if not (named := [form for form in FORMATS if form.name == name]):
        raise InvalidArgument(f"format must be {_either(form.name for form in FORMATS)}. Received: {name!r}.")
    if not (laid_out := [form for form in named if form.layout == layout]):
        layouts = _either(form.layout for form in named)
        raise InvalidArgument(f"layout must be {layouts} for format={name!r}. Received: {layout!r}.")
    [form] = laid_out
    if compression not in form.compressions:
        raise InvalidArgument(
            f"compression must be {_either(form.compressions)} for format={name!r} with layout={layout!r}. "
            f"Received: {compression!r}."
        )
    return form


def _either(values: Iterable[str | None]) -> str:
    return " or ".join(map(repr, dict.fromkeys(values)))
