"""TFRecord files of `tf.train.Example`s, parsed by TensorFlow, which is loaded when the first file is read.

An Example says neither which features there are nor how many values each has, so both are inferred from the first
records and checked while the rest is read. Source: tensorflow.org/tutorials/load_data/tfrecord.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.arguments import check_whole_number
from blocks.data.files import File, naming
from blocks.data.files_reader import FilesReader
from blocks.data.formats.csv.options import to_type
from blocks.data.formats.tfrecord_types import KINDS, as_declared, is_list, kind_of
from blocks.data.schema import conform, natural_schema, require_columns, unify
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch

_AROUND = 16
"""Bytes of a record beside its content: its length, and two checksums."""

_FIX = "It may be truncated, or no file of tf.train.Example records: write or copy it again."


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
        value = pa.string() if self.text else KINDS[self.kind]
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
        column_types: Types of columns, which are then not inferred: dates, times and truth values from int64, floats
            of another width, lists of whatever length. Where all are given, columns have this order.
        infer_records: Records of each file that the features are inferred from.

    Raises:
        SchemaMismatch: A feature holds numbers in one record and texts in another.
        MalformedData: A file is none of TFRecords, or holds no Examples.
    """

    def __init__(
        self, files: Sequence[File], column_types: Mapping[str, Any] | None = None, *, infer_records: int = 10_000
    ) -> None:
        super().__init__(files, "tfrecord")
        self._declared = {name: to_type(name, kind) for name, kind in (column_types or {}).items()}
        for name, kind in self._declared.items():
            if kind_of(kind) is None:
                raise InvalidArgument(
                    f"An Example holds lists of int64, float32 and bytes. Received: column_types={{{name!r}: {kind}}}. "
                    "Declare a type that is made of one of these."
                )
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
        if self._features:
            require_columns(self._declared, list(self._features), "column_types")
        for name, kind in self._declared.items():  # of a file without records
            self._features.setdefault(name, Feature(kind_of(kind) or "", 0, 1, False))
        names = self._declared if self._declared.keys() >= self._features.keys() else self._features
        known_fields = [(name, self._type(name)) for name in names]
        self._schema = unify([(self._files[0].name, natural_schema(pa.schema(known_fields), self._files[0].name))])

    @property
    def schema(self) -> pa.Schema:
        """The features of all files, by name."""
        return self._schema

    def count(self) -> int | None:
        """Unknown without a pass."""
        return None

    def fingerprint(self) -> dict[str, Any]:
        """Names, sizes, times of change, and declared types."""
        types = {name: str(kind) for name, kind in self._declared.items()}
        return {**super().fingerprint(), **({"column_types": types} if types else {})}

    def _type(self, name: str) -> pa.DataType:
        return self._declared.get(name, self._features[name].type)

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
        if not found and not self._declared:
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
        feature, kind = self._features[name], self._type(name)
        said = "declared" if name in self._declared else "inferred"
        splits, values = ragged.row_splits.numpy(), ragged.flat_values.numpy()
        lengths = np.diff(splits)
        most = kind.list_size if pa.types.is_fixed_size_list(kind) else None if is_list(kind) else 1
        wrong = lengths > 1 if most == 1 and not is_list(kind) else lengths != (lengths if most is None else most)
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise SchemaMismatch(
                f"{name!r} of {file.name} was {said} to have {most} value(s) a record. Received: "
                f"{lengths[at]} values in record {begun + at + 1:,}. "
                + ("Declare a list of them." if said == "declared" else _more(begun + at + 1))
            )
        flat = pa.array(values, pa.binary()) if feature.kind == "bytes_list" else pa.array(values)
        if feature.kind == "bytes_list" and not pa.types.is_binary(kind.value_type if is_list(kind) else kind):
            try:
                flat = flat.cast(pa.string())
            except pa.ArrowInvalid:
                raise SchemaMismatch(
                    f"{name!r} of {file.name} was {said} to be text. Received: bytes that are no UTF-8 in records "
                    f"{begun + 1:,} to {begun + len(lengths):,}. "
                    + ("Declare binary." if said == "declared" else _more(begun + len(lengths)))
                ) from None
        if not is_list(kind):
            made = flat.take(pa.array(splits[:-1], mask=lengths == 0))
        elif most is not None:
            made = pa.FixedSizeListArray.from_arrays(flat, most)
        else:
            made = pa.ListArray.from_arrays(pa.array(splits, pa.int32()), flat)
        try:
            return as_declared(made, kind) if name in self._declared else made
        except pa.ArrowException as error:
            raise SchemaMismatch(
                f"{name!r} of {file.name} was declared as {kind}. Received: in records {begun + 1:,} to "
                f"{begun + len(lengths):,} {str(error)[:120]}. Declare a type that holds all values."
            ) from error


def _more(records: int) -> str:
    return f"Infer from more: infer_records={records * 2}."


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
    read = 0
    while True:
        with naming(file, _FIX):
            try:
                batch = next(iterator, None)
            except tf.errors.OpError as error:
                raise MalformedData(f"{file.name} cannot be read: {str(error.message)[:200]}. {_FIX}") from error
        if batch is None:
            break
        read += sum(map(len, batch)) + _AROUND * len(batch)
        yield batch
    # TensorFlow takes a file that is cut within the length of a record for one that ends there
    if not zipped and read != file.size:
        raise MalformedData(f"{file.name} cannot be read: it is cut off after byte {read:,}. {_FIX}")


def _tensorflow() -> Any:
    import tensorflow as tf

    return tf
