"""Packed columns: a batch of raw columns as up to three matrices, so that many inputs of a signature cost little.

A call of a signature costs some 40 us in Python for each input. `serve_packed` takes `numbers` (batch, n) float64,
`integers` (batch, n) int64 and `strings` (batch, n) string, those of them that hold any column, and gives the answers
of `serve`. In each the columns stand by byte order of their names, a window's values side by side. float32 columns go
through float64 and back, which changes no bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

MATRICES = {"float32": "numbers", "float64": "numbers", "int64": "integers", "string": "strings"}
"""Which matrix holds a column of a dtype."""

DTYPES = {"numbers": "float64", "integers": "int64", "strings": "string"}


@dataclass(frozen=True)
class PackedColumns:
    """Where each raw column stands.

    Args:
        columns: Of each matrix, the columns in their order, each with the shape of a row's value.
        dtypes: Of each column, as it enters the graph.
    """

    columns: Mapping[str, Mapping[str, tuple[int, ...]]]
    dtypes: Mapping[str, str]

    @classmethod
    def of(cls, signature: Mapping[str, tuple[str, tuple[int, ...]]]) -> "PackedColumns":
        """The columns of a signature.

        Args:
            signature: Each column's dtype and the shape of a row's value.

        Example:
            >>> packed = PackedColumns.of({"b": ("float32", ()), "city": ("string", ()), "a": ("float64", (24,))})
            >>> packed.width("numbers"), list(packed.columns["numbers"])
            (25, ['a', 'b'])
        """
        columns: dict[str, dict[str, tuple[int, ...]]] = {}
        for name in sorted(signature, key=str.encode):
            dtype, shape = signature[name]
            columns.setdefault(MATRICES[dtype], {})[name] = tuple(shape)
        ordered = {matrix: columns[matrix] for matrix in DTYPES if matrix in columns}
        return cls(ordered, {name: dtype for name, (dtype, _) in signature.items()})

    def width(self, matrix: str) -> int:
        """The columns of a matrix."""
        return sum(prod(shape) for shape in self.columns[matrix].values())

    def to_json(self) -> dict[str, list[str]]:
        """The order, for those who call the signature: matrix to the names of its columns."""
        return {matrix: list(names) for matrix, names in self.columns.items()}

    def specs(self) -> dict[str, Any]:
        """The signature's inputs."""
        import tensorflow as tf

        return {
            matrix: tf.TensorSpec((None, self.width(matrix)), DTYPES[matrix], name=matrix) for matrix in self.columns
        }

    def unpack(self, matrices: Mapping[str, Any]) -> dict[str, Any]:
        """Tensors of the matrices as tensors of the columns, (batch, *shape) each."""
        import tensorflow as tf

        found = {}
        for matrix, columns in self.columns.items():
            sizes = [prod(shape) for shape in columns.values()]
            if all(shape == () for shape in columns.values()):
                parts = tf.unstack(matrices[matrix], num=len(columns), axis=1)
            else:
                split = tf.split(matrices[matrix], sizes, axis=1)
                parts = [tf.reshape(part, (-1, *shape)) for part, shape in zip(split, columns.values(), strict=True)]
            for name, part in zip(columns, parts, strict=True):
                found[name] = tf.cast(part, self.dtypes[name]) if self.dtypes[name] == "float32" else part
        return found
