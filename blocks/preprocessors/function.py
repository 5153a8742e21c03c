"""Function: a user's own TensorFlow or Keras function as a block."""

from collections.abc import Callable, Sequence
from inspect import isfunction, signature
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.errors import BlocksError, InvalidArgument, NotExportable
from blocks.features.spec import Feature

_PYTHON: Final = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
_RANDOM: Final = ("Random", "Multinomial", "TruncatedNormal", "ParameterizedTruncatedNormal", "Stateful")
_ROWS: Final = 16


@keras.saving.register_keras_serializable(package="blocks")
class Function(Preprocessor):
    """A registered function of raw values to features: any row by row TensorFlow or `keras.ops` code.

    The function is saved by the name under which it is registered, never by pickle or source, so a program that loads
    the model imports the module that registers it; an exported SavedModel holds its operations and needs nothing. A
    store's fingerprint knows it by that name alone: register it under a new one when its meaning changes.

    It is traced once for each dtype with a batch of unknown size. It gets numbers as float64 (missing is NaN), text as
    string (missing is ""), dates and timestamps as int64 microseconds since 1970 UTC (missing is the smallest int64),
    of windows each value as a number by itself, and of several columns one argument each, in the order of the key. What
    missing and infinite values become is its own choice. It sees rows in multiples of 16, the last one repeated, so
    that even float32 code has the same bits at every batch size. (TensorFlow rewrites x / constant as x * (1 /
    constant), but not in `tf.data`: there float32 code may differ in the last bit, float64 code hardly ever.)

    Args:
        fn: The function, registered with `keras.saving.register_keras_serializable`. It captures no variables or
            tables, draws no random numbers and calls no Python (`tf.py_function`, `tf.numpy_function`).
        outputs: Names of the columns of a result of shape (batch, k): features `<name>_<output>`. None for a result of
            shape (batch,).
        cardinality: For a function that gives ids, the number of ids: its result is integers in [0, cardinality), and
            others become 0. None for numbers.
        accepts: The families of columns that may enter: "number", "text", "time".

    Returns:
        float32, or int32 for ids, of shape (batch,) or (batch, k).

    Raises:
        InvalidArgument: The function is a lambda or not registered (at once); its result has another shape or dtype, a
            row's result depends on other rows, or it fails on a value (when it is traced).
        NotExportable: It cannot be traced, or calls Python, draws random numbers or captures variables or tables.

    Example:
        >>> @keras.saving.register_keras_serializable(package="mine")
        ... def ratio(price, area):
        ...     return price / keras.ops.maximum(area, 1.0)
        >>> Function(ratio)((tf.constant([10.0, 9.0]), tf.constant([4.0, 0.5]))).numpy()
        array([2.5, 9. ], dtype=float32)
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        outputs: Sequence[str] | None = None,
        cardinality: int | None = None,
        accepts: Sequence[str] = ("number",),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.registered_name = _registered_name(fn)
        names = None if outputs is None else list(outputs)
        if names is not None and (isinstance(outputs, str) or not names or len(set(names)) < len(names)):
            raise InvalidArgument(f"Function's outputs are different names, or None. Received: {outputs!r}.")
        if not accepts or not set(accepts) <= {"number", "text", "time"} or isinstance(accepts, str):
            raise InvalidArgument(f"Function accepts one or more of 'number', 'text', 'time'. Received: {accepts!r}.")
        if cardinality is not None and not 1 <= cardinality < 2**31:
            raise InvalidArgument(f"Function's cardinality is a number of ids. Received: {cardinality!r}.")
        self.fn = fn
        self.output_names = names
        self.cardinality = cardinality
        # the families depend on the argument here; the role declares them for the class
        self.accepts = tuple(accepts)
        # one column for each positional argument
        arguments = [p for p in signature(fn).parameters.values() if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
        self.several = len(arguments) > 1 or any(p.kind is p.VAR_POSITIONAL for p in arguments)
        self._traced = _Traced()

    def compute(self, values: Any) -> Any:
        """The function's result in float64, or ids."""
        columns = [tf.convert_to_tensor(value) for value in (values if isinstance(values, tuple | list) else (values,))]
        columns = [tf.cast(value, tf.float64) if value.dtype.is_floating else value for value in columns]
        result = self._concrete(columns)(*(_padded_rows(column) for column in columns))[: tf.shape(columns[0])[0]]
        if self.cardinality is None:
            return tf.cast(result, tf.float64)
        return tf.where((result >= 0) & (result < self.cardinality), result, tf.zeros_like(result))

    def _concrete(self, columns: Sequence[Any]) -> Any:
        """The function traced for these columns' dtypes, after every check."""
        specs = [tf.TensorSpec((None, *column.shape[1:]), column.dtype) for column in columns]
        key = tuple((spec.dtype, tuple(spec.shape)) for spec in specs)
        if key not in self._traced.functions:
            with tf.init_scope():
                function = self._trace(specs)
                self._check(function, specs)
            self._traced.functions[key] = function
        return self._traced.functions[key]

    def _trace(self, specs: Sequence[Any]) -> Any:
        who = self.registered_name
        try:
            function = tf.function(self.fn, input_signature=specs).get_concrete_function()
        except BlocksError:
            raise
        except Exception as error:  # whatever a user's function raises
            raise NotExportable(
                "A function is traced to TensorFlow's own ops with a batch of unknown size. "
                f"Received: {who!r}, which fails: {type(error).__name__}: {error}"
            ) from error
        graph = function.graph.as_graph_def()
        ops = {node.op for node in graph.node}
        ops |= {node.op for part in graph.library.function for node in part.node_def}
        python, random = sorted(ops & set(_PYTHON)), sorted(op for op in ops if op.startswith(_RANDOM))
        captured = [t.dtype.name for t in function.captured_inputs if t.dtype in (tf.resource, tf.variant)]
        for found, why in (
            (python, "calls Python, which an exported model does not have"),
            (random, "draws random numbers, so that offline and served values would differ"),
            (captured, "captures variables or tables, which are not saved with it"),
        ):
            if found:
                raise NotExportable(
                    f"A function is made of TensorFlow's own deterministic ops. Received: {who!r}, which {why}: "
                    f"{', '.join(found)}. Rewrite it with tf or keras.ops, or derive a block from Preprocessor."
                )
        return function

    def _check(self, function: Any, specs: Sequence[Any]) -> None:
        who = self.registered_name
        shape = (None,) if self.output_names is None else (None, len(self.output_names))
        result = function.structured_outputs
        ids = self.cardinality is not None
        found = f"{getattr(result, 'dtype', None) and result.dtype.name} {getattr(result, 'shape', result)}"
        dtype = getattr(result, "dtype", tf.string)
        fits = dtype.is_integer if ids else dtype.is_floating
        if not fits or result.shape.rank != len(shape) or result.shape[1:] != shape[1:]:
            raise InvalidArgument(
                f"With outputs={self.output_names!r} and cardinality={self.cardinality!r} a function gives "
                f"{'integers' if ids else 'floats'} of shape {shape}. Received: {found} from {who!r}."
            )
        if any(spec.shape.rank != 1 for spec in specs):
            return
        rows = [_tried(self.examples(spec.dtype.name), spec.dtype, 1 + place) for place, spec in enumerate(specs)]
        try:
            whole = function(*rows).numpy()
            halves = [
                function(*(column[part] for column in rows)).numpy() for part in (slice(_ROWS), slice(_ROWS, None))
            ]
        except tf.errors.OpError as error:
            raise InvalidArgument(
                "A function has a result for every value, missing, infinite and unseen ones too. "
                f"Received: {who!r}, which fails on {[column.numpy().tolist() for column in rows]}: {error.message}"
            ) from error
        if whole.tobytes() != np.concatenate(halves).tobytes():
            raise InvalidArgument(
                f"A row's features depend on that row alone. Received: {who!r}, whose results change with the other "
                "rows of the batch. Learn what it needs of all rows beforehand, with Standardize say."
            )

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """One feature, or one for each named output."""
        names = [name] if self.output_names is None else [f"{name}_{output}" for output in self.output_names]
        return [Feature(each, columns, cardinality=self.cardinality) for each in names]

    def get_config(self) -> dict[str, Any]:
        """The configuration; of the function its registered name."""
        return {
            **super().get_config(),
            "fn": self.registered_name,
            "outputs": self.output_names,
            "cardinality": self.cardinality,
            "accepts": list(self.accepts),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Function":
        """The block that `get_config` described.

        Raises:
            InvalidArgument: No function is registered under the name.
        """
        fn = keras.saving.get_registered_object(config["fn"])
        if fn is None:
            raise InvalidArgument(
                "A function is loaded by its registered name. "
                f"Received: {config['fn']!r}, which is not registered. Import the module that registers it first."
            )
        return cls(**{**config, "fn": fn})


class _Traced:
    """Concrete functions by signature: held apart, since Keras tracks and wraps every dict of a layer."""

    def __init__(self) -> None:
        self.functions: dict[Any, Any] = {}


def _registered_name(fn: Any) -> str:
    name = keras.saving.get_registered_name(fn) if isfunction(fn) else None
    if name is None or keras.saving.get_registered_object(name) is not fn:
        what = getattr(fn, "__qualname__", repr(fn))
        raise InvalidArgument(
            "Function takes a function that is registered, so that a saved model finds it again. "
            f"Received: {what}. Write it with def under @keras.saving.register_keras_serializable(package='mine')."
        )
    return str(name)


def _padded_rows(column: Any) -> Any:
    """Rows up to a multiple of 16, the last one repeated."""
    rows = tf.shape(column)[0]
    return tf.gather(column, tf.minimum(tf.range(rows + -rows % _ROWS), rows - 1))


def _tried(examples: Sequence[Any], dtype: Any, pace: int) -> Any:
    """Two times 16 example values, each column at its own pace."""
    return tf.constant([examples[row * pace % len(examples)] for row in range(2 * _ROWS)], dtype)
