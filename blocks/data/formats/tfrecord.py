"""TFRecord files of `tf.train.Example`s, parsed by TensorFlow, which is loaded when the first file is read.

An Example says neither which features there are nor how many values each has, so both are inferred from the first
records and checked while the rest is read. Source: tensorflow.org/tutorials/load_data/tfrecord.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.arguments import check_whole_number
from blocks.data.files import File, naming
from blocks.data.files_reader import FilesReader
from blocks.data.schema import conform, natural_schema, unify
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch

_FIX = "It may be truncated, or no file of tf.train.Example records: write or copy it again."
_TYPES = {"int64_list": pa.int64(), "float_list": pa.float32(), "bytes_list": pa.binary()}


@dataclass(frozen=True)
class Feature:
    """What is known of a feature.

    Args:
        kind: The field of `tf.train.Feature` that holds it.
        least: Values in the record that has fewest.
        most: Values in the record that has most.
        text: Whether all are text in UTF-8.
    """

    kind: str
    least: int
    most: int
    text: bool

    @property
    def type(self) -> pa.DataType:
        """The column's: one value a record, always as many, or a list."""
        value = pa.string() if self.text else _TYPES[self.kind]
        if self.most <= 1:
            return value
        return pa.list_(value, self.most) if self.least == self.most else pa.list_(value)

    def with_(self, other: "Feature") -> "Feature":
        """What is known of both."""
        return replace(
            self, least=min(self.least, other.least), most=max(self.most, other.most), text=self.text and other.text
        )


class TfRecordReader(FilesReader):
    """TFRecord files as one table, in order; compressed by gzip or not, whatever their names say.

    Args:
        files: At least one, on this machine.
        infer_records: Records of each file that the features are inferred from.

    Raises:
        SchemaMismatch: A feature holds numbers in one record and texts in another.
        MalformedData: A file is none of TFRecords, or holds no Examples.
    """

    def __init__(self, files: Sequence[File], *, infer_records: int = 10_000) -> None:
        super().__init__(files, "tfrecord")
        self._many = check_whole_number("infer_records", infer_records, least=1)
        if far := [file.name for file in self._files if not file.local]:
            raise InvalidArgument(f"TFRecords are read from this machine. Received: {far[0]}. Copy them here first.")
        self._features: dict[str, Feature] = {}
        schemas = []
        for file in self._files:
            found = self._infer(file)
            fields = pa.schema([(name, feature.type) for name, feature in found.items()])
            schemas.append((file.name, natural_schema(fields, file.name)))
            for name, feature in found.items():
                known = self._features.get(name, feature)
                if known.kind != feature.kind:
                    raise _two_kinds(name, known.kind, feature.kind, file.name)
                self._features[name] = known.with_(feature)
        everywhere = [set(schema.names) for _, schema in schemas]
        for name, feature in self._features.items():
            if not all(name in names for names in everywhere):
                self._features[name] = replace(feature, least=0)
        known_fields = [(name, feature.type) for name, feature in self._features.items()]
        self._schema = unify([(self._files[0].name, natural_schema(pa.schema(known_fields), self._files[0].name))])

    @property
    def schema(self) -> pa.Schema:
        """The features of all files, by name."""
        return self._schema

    def count(self) -> int | None:
        """Unknown without a pass."""
        return None

    def _rows_of(self, index: int, target: pa.Schema, rows: int, encoded: bool) -> Iterator[pa.RecordBatch]:
        file, begun = self._files[index], 0
        for raw in _records(file, rows):
            with naming(file, _FIX):
                self._require_known(raw, file, begun)
                arrays = self._parsed(raw, target.names, file, begun)
                piece = conform(pa.RecordBatch.from_arrays(arrays, names=target.names), target, encoded=encoded)
            yield piece
            begun += len(raw)

    def _infer(self, file: File) -> dict[str, Feature]:
        found: dict[str, Feature] = {}
        raws = itertools.chain.from_iterable(_records(file, min(self._many, 1024)))
        for seen, raw in enumerate(itertools.islice(raws, self._many)):
            here = _features_of(raw, file, seen)
            for name, feature in here.items():
                known = found.get(name, replace(feature, least=0) if seen else feature)
                if known.kind != feature.kind:
                    raise _two_kinds(name, known.kind, feature.kind, file.name)
                found[name] = known.with_(feature)
            for name in found.keys() - here.keys():
                found[name] = replace(found[name], least=0)
        if not found:
            raise MalformedData(f"{file.name} holds no tf.train.Example with a feature. {_FIX}")
        return dict(sorted(found.items()))

    def _require_known(self, raw: np.ndarray, file: File, begun: int) -> None:
        """Refuse features that came later than those that the schema was inferred from: else they would be lost."""
        if _names_of(raw) <= self._features.keys():
            return
        for at, record in enumerate(raw, begun + 1):
            if new := sorted(_features_of(record, file, at - 1).keys() - self._features.keys()):
                raise SchemaMismatch(
                    f"The features of {file.name} were inferred from {self._many:,} records. Received: {new[0]!r} "
                    f"in record {at:,}, which none of these has. Infer from more: infer_records={at * 2}."
                )

    def _parsed(self, raw: np.ndarray, names: Sequence[str], file: File, begun: int) -> list[pa.Array]:
        tf = _tensorflow()
        dtypes = {"int64_list": tf.int64, "float_list": tf.float32, "bytes_list": tf.string}
        spec = {
            name: tf.io.RaggedFeature(dtypes[self._features[name].kind], row_splits_dtype=tf.int64) for name in names
        }
        try:
            with tf.device("cpu"):
                parsed = tf.io.parse_example(tf.constant(raw), spec)
        except tf.errors.InvalidArgumentError as error:
            text = str(error.message).split("[[")[0].splitlines()[0][:300]
            raise MalformedData(
                f"Records {begun + 1:,} to {begun + len(raw):,} of {file.name} are no Examples like those before: "
                f"{text} {_FIX}"
            ) from error
        return [self._array(parsed[name], name, file, begun) for name in names]

    def _array(self, ragged: Any, name: str, file: File, begun: int) -> pa.Array:
        feature = self._features[name]
        splits, values = ragged.row_splits.numpy(), ragged.flat_values.numpy()
        lengths = np.diff(splits)
        fixed = feature.most > 1 and feature.least == feature.most
        wrong = lengths > 1 if feature.most <= 1 else (lengths != feature.most if fixed else np.zeros(0, bool))
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise SchemaMismatch(
                f"{name!r} of {file.name} was inferred to have {max(feature.most, 1)} value(s) a record. Received: "
                f"{lengths[at]} values in record {begun + at + 1:,}. Infer from more: "
                f"infer_records={(begun + at + 1) * 2}."
            )
        flat = pa.array(values, pa.binary()) if feature.kind == "bytes_list" else pa.array(values)
        if feature.text:
            try:
                flat = flat.cast(pa.string())
            except pa.ArrowInvalid:
                raise SchemaMismatch(
                    f"{name!r} of {file.name} was inferred to be text. Received: bytes that are no UTF-8 in records "
                    f"{begun + 1:,} to {begun + len(lengths):,}. Infer from more: "
                    f"infer_records={(begun + len(lengths)) * 2}."
                ) from None
        if feature.most <= 1:
            return flat.take(pa.array(splits[:-1], mask=lengths == 0))
        if fixed:
            return pa.FixedSizeListArray.from_arrays(flat, feature.most)
        return pa.ListArray.from_arrays(pa.array(splits, pa.int32()), flat)


def _names_of(raw: np.ndarray) -> set[str]:
    """The names of all features that some records have, by TensorFlow's reader of any message."""
    tf = _tensorflow()
    found = tf.constant(raw)
    fields = [("Example", "features"), ("Features", "feature"), ("Features.FeatureEntry", "key")]
    try:
        with tf.device("cpu"):
            for message, field in fields:
                sizes, [values] = tf.io.decode_proto(found, f"tensorflow.{message}", [field], [tf.string])
                found = tf.boolean_mask(values, tf.sequence_mask(sizes[:, 0], tf.shape(values)[1]))
            return {name.decode(errors="backslashreplace") for name in tf.unique(found)[0].numpy().tolist()}
    except tf.errors.OpError:
        return set()  # no Examples, which parsing them says


def _features_of(raw: bytes, file: File, at: int) -> dict[str, Feature]:
    tf = _tensorflow()
    try:
        example = tf.train.Example.FromString(raw)
    except Exception as error:  # google.protobuf.message.DecodeError, which no public module of TensorFlow's names
        raise MalformedData(f"Record {at + 1:,} of {file.name} is no tf.train.Example: {error}. {_FIX}") from error
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        if kind is None:
            continue
        values = getattr(feature, kind).value
        found[name] = Feature(kind, len(values), len(values), kind == "bytes_list" and all(map(_is_text, values)))
    return found


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _two_kinds(name: str, one: str, other: str, file: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"A feature holds values of one kind. Received: {name!r} with {one} and {other}, in {file}. Write it as one."
    )


def _records(file: File, rows: int) -> Iterator[np.ndarray]:
    """The records of a file, so many at a time, as objects of bytes."""
    tf = _tensorflow()
    with naming(file, _FIX):
        with file.open() as opened:
            zipped = opened.read(2) == b"\x1f\x8b"
        data = tf.data.TFRecordDataset([file.path], "GZIP" if zipped else "", buffer_size=1 << 20).batch(rows)
        iterator = iter(data.as_numpy_iterator())
    while True:
        with naming(file, _FIX):
            try:
                batch = next(iterator, None)
            except tf.errors.OpError as error:
                raise MalformedData(f"{file.name} cannot be read: {str(error.message)[:200]}. {_FIX}") from error
        if batch is None:
            return
        yield batch


def _tensorflow() -> Any:
    import tensorflow as tf

    return tf
