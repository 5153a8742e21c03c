"""Tokens as learned state, as a TensorFlow table and as names: what blocks with a vocabulary share. No block.

A token is any byte string but the empty one, which is missing, or an int64 but the smallest, which is too.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
import tensorflow as tf

from blocks.block import Preprocessor, State
from blocks.data.arrow_types import is_text
from blocks.data.raw_arrays import to_arrow, to_raw
from blocks.data.raw_columns import MISSING_INT, RawColumn
from blocks.errors import InvalidArgument, NotAdapted, SchemaMismatch, warn
from blocks.features.spec import Feature
from blocks.statistics import CountsResult

LONGEST_LABEL: Final = 64


def portable(tokens: Sequence[Any], owner: str) -> list[str] | list[int]:
    """Given tokens as a configuration can hold them: str, or int.

    Raises:
        InvalidArgument: There are repeats, missing or mixed ones, or such as JSON cannot hold.
    """
    found = [token.item() if isinstance(token, np.generic) else token for token in tokens]
    found = [_decoded(token, owner) if isinstance(token, bytes) else token for token in found]
    whole = all(isinstance(token, int) and not isinstance(token, bool) for token in found)
    if isinstance(tokens, str | bytes) or not (whole or all(isinstance(token, str) for token in found)):
        raise InvalidArgument(f"{owner} takes a list of strings or of integers. Received: {tokens!r}.")
    if len(set(found)) < len(found) or "" in found or MISSING_INT in found:
        raise InvalidArgument(
            f"{owner} holds every token once, and no missing one. Received: repeats, or a missing one. Take them out."
        )
    return found


def _decoded(token: bytes, owner: str) -> str:
    try:
        return token.decode()
    except UnicodeDecodeError:
        raise InvalidArgument(
            f"{owner} is part of the configuration, so its tokens are text. Received: {token!r}. Learn it instead."
        ) from None


def state_of_given(tokens: Sequence[Any], owner: str) -> State:
    """The state that given tokens make.

    Raises:
        InvalidArgument: As `portable`, or an integer is beyond 64 bits.
    """
    try:
        return pack(to_arrow(portable(tokens, owner)))
    except OverflowError:
        raise InvalidArgument(f"{owner} takes integers of 64 bits. Received: a larger one.") from None


def count_kept(counts: CountsResult, min_count: int, top_k: int | None) -> int:
    """How many of the counted tokens, which stand by falling count, a vocabulary keeps."""
    frequent = int(np.searchsorted(-counts.counts, -min_count, side="right"))
    return frequent if top_k is None else min(frequent, top_k)


def state_of_counts(owner: Preprocessor, counts: CountsResult, number: int) -> State:
    """The first `number` of the counted tokens as state, with the counts' error where they are no longer exact.

    Warns:
        BlocksWarning: More distinct tokens came than memory is meant for.
    """
    return {**pack(counts.values.slice(0, number)), **error_of_counts(owner, counts)}


def error_of_counts(owner: Preprocessor, counts: CountsResult) -> State:
    """The counts' error as state, where they are no longer exact.

    Warns:
        BlocksWarning: More distinct tokens came than memory is meant for.
    """
    if counts.exact:
        return {}
    warn(
        f"{owner.__class__.__name__} {owner.name!r} saw more distinct tokens than its memory holds: counts are up to "
        f"{counts.error:,} too small, of {counts.total:,} rows, and tokens as rare as that may be missing. "
        'Give it more, model.adapt(..., memory="2GiB"), or choose top_k, or Hashing.'
    )
    return {"count_error": np.asarray(counts.error, np.int64)}


def check_limits(owner: str, min_count: int, top_k: int | None) -> None:
    """Refuse limits that no vocabulary can have.

    Raises:
        InvalidArgument: They are below 1.
    """
    if min_count < 1 or (top_k is not None and top_k < 1):
        raise InvalidArgument(
            f"{owner} takes min_count >= 1, top_k >= 1 or None. Received: min_count={min_count}, top_k={top_k}."
        )


def pack(tokens: pa.Array) -> State:
    """Tokens as arrays that survive any byte: one run of bytes and the lengths, or the integers."""
    if pt.is_null(tokens.type):
        tokens = tokens.cast(pa.string())
    if not is_text(tokens.type):
        return {"integers": to_raw(tokens, RawColumn("int64"))}
    array = tokens.cast(pa.large_binary())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1] if len(array) else [0]
    content = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] if data is not None else np.zeros(0, np.uint8)
    return {"bytes": content.copy(), "lengths": np.diff(bounds).astype(np.int64)}


def unpack(state: State) -> list[Any]:
    """The tokens that `pack` packed: bytes, or integers."""
    if "integers" in state:
        return list(state["integers"].tolist())
    offsets = np.concatenate([[0], np.cumsum(state["lengths"])]).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(state["bytes"].tobytes())]
    return list(pa.Array.from_buffers(pa.large_binary(), len(state["lengths"]), buffers).to_pylist())


def size(state: State) -> int:
    """How many tokens `pack` packed; 0 of no state."""
    return len(state.get("integers", state.get("lengths", ())))


def lookup_table(state: State) -> tf.lookup.StaticHashTable:
    """The table from each token to its position; keep it as an attribute of the block, or exports lose it."""
    tokens = unpack(state)
    with tf.init_scope():
        places = tf.range(len(tokens), dtype=tf.int64)
        if not tokens:  # TensorFlow has no empty tables, and what is missing is no token whatever the table says
            tokens, places = [MISSING_INT if "integers" in state else b""], tf.constant([-1], tf.int64)
        keys = tf.constant(tokens, tf.int64 if "integers" in state else tf.string)
        return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, places), default_value=-1)


def positions(table: tf.lookup.StaticHashTable, values: Any, name: str) -> Any:
    """Each value's position in the vocabulary, int64; -1 where it is unseen (or missing, in an empty one).

    Raises:
        SchemaMismatch: Text meets a vocabulary of integers, or the other way round.
    """
    if values.dtype != table.key_dtype:
        if table.key_dtype == tf.string:
            raise SchemaMismatch(f"{name} was adapted on strings. Received: {values.dtype.name}.")
        if values.dtype.is_floating:  # of a block before this one in a chain: hours, rounded numbers
            return _positions_of_whole(table, values)
        if not values.dtype.is_integer and values.dtype != tf.bool:
            raise SchemaMismatch(f"{name} was adapted on integers. Received: {values.dtype.name}.")
        values = tf.cast(values, tf.int64)
    return table.lookup(values)


def _positions_of_whole(table: tf.lookup.StaticHashTable, values: Any) -> Any:
    """Positions of floats that are whole numbers; fractions, infinite and missing ones are no token."""
    whole = tf.equal(values, tf.round(values)) & (tf.abs(values) < 2.0**63)
    found = table.lookup(tf.cast(tf.where(whole, values, tf.zeros_like(values)), tf.int64))
    return tf.where(whole, found, -tf.ones_like(found))


def joint_tables(states: Sequence[State]) -> tuple[tf.lookup.StaticHashTable, tf.lookup.StaticHashTable]:
    """The tables of several vocabularies, all of strings or all of integers, as two; attributes of a block, too.

    The first gives each token a number among those of all; the second leads from number and vocabulary to the token's
    position. Hundreds of tables of their own would take hundreds of operations to look up, and to initialise.
    """
    integers = "integers" in states[0]
    of_each = [pa.array(unpack(state), pa.int64() if integers else pa.large_binary()) for state in states]
    coded = pa.concat_arrays(of_each).dictionary_encode()
    owner = np.repeat(np.arange(len(states)), [len(tokens) for tokens in of_each])
    keys = coded.indices.to_numpy().astype(np.int64) * len(states) + owner
    places = np.concatenate([np.arange(len(tokens)) for tokens in of_each]).astype(np.int64)
    with tf.init_scope():
        initializer = tf.lookup.KeyValueTensorInitializer(
            tf.constant(keys if len(keys) else [-1], tf.int64), tf.constant(places if len(keys) else [-1], tf.int64)
        )
        return lookup_table(pack(coded.dictionary)), tf.lookup.StaticHashTable(initializer, default_value=-1)


def joint_positions(
    numbers: tf.lookup.StaticHashTable, places: tf.lookup.StaticHashTable, count: int, values: Any, name: str
) -> Any:
    """Each value's position, as of `positions`, in its vocabulary of `count`: values are (vocabularies, rows)."""
    # an unknown token's -1 makes a negative key, which no vocabulary has
    keys = positions(numbers, values, name) * count + np.arange(count)[:, np.newaxis]
    return places.lookup(keys)


def is_missing(values: Any) -> Any:
    """Where a string is "", an integer the smallest int64, a float NaN."""
    if values.dtype == tf.string:
        return tf.equal(values, "")
    if values.dtype.is_floating:
        return tf.math.is_nan(values)
    return tf.equal(tf.cast(values, tf.int64), MISSING_INT)


def as_text(values: Any) -> Any:
    """Tokens as byte strings: integers in decimal.

    Raises:
        SchemaMismatch: They are fractions.
    """
    if values.dtype.is_floating:
        raise SchemaMismatch(
            f"Tokens are strings or integers. Received: {values.dtype.name}. Bucketize quantities before."
        )
    return values if values.dtype == tf.string else tf.as_string(tf.cast(values, tf.int64))


def label(token: Any) -> str:
    r"""A token as part of a feature's name: printable, short, and another one for every token.

    Backslashes are doubled, what is no printable text is escaped as Python does, and beyond 64 characters a digest
    stands for the rest.

    Example:
        >>> label(b"Z\xc3\xbcrich"), label(b"a\n\xff"), label(7)
        ('Zürich', 'a\\n\\xff', '7')
    """
    if not isinstance(token, bytes):
        return str(token)
    text = token.replace(b"\\", b"\\\\").decode(errors="backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: LONGEST_LABEL + 1])
    if len(text) <= LONGEST_LABEL:
        return text
    return f"{text[:LONGEST_LABEL]}...{hashlib.blake2b(token, digest_size=4).hexdigest()}"


def token_features(
    block: Preprocessor, width: int | None, name: str, columns: tuple[str, ...], before: Sequence[str] = ()
) -> list[Feature]:
    """A feature for each token, `<name>=<token>`, after those named `before`.

    Args:
        block: The block with the tokens.
        width: How many features there are, where a configuration says so before the tokens are restored.
        name: The features' common beginning.
        columns: The raw columns.
        before: Ends of names.

    Raises:
        NotAdapted: The block has not learned, so that nobody knows how many there are.
    """
    if not block.adapted and width is None:
        raise NotAdapted(
            f"{block.__class__.__name__} {block.name!r} has a column for each token, and has not learned them. "
            "Adapt it before its features are asked for; it stands at the end of a chain."
        )
    first = [Feature(f"{name}{end}", columns) for end in before]
    if not block.adapted:
        return first + [Feature(f"{name}={index}", columns) for index in range((width or 0) - len(first))]
    return first + [Feature(f"{name}={label(token)}", columns) for token in unpack(block.state)]


def as_features(values: Any) -> Any:
    """Columns (batch, k) as a preprocessor emits them: a single one as (batch,)."""
    return values[:, 0] if values.shape[1] == 1 else values
