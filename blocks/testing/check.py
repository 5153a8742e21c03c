"""check_block: every rule that a role knows, in order. The rules themselves stand in the files beside."""

from typing import Any

from blocks.block import Block, Classifier, FeatureExtractor, Head, Postprocessor, Preprocessor, Regressor
from blocks.testing.every_role import check_config, check_inputs, check_paths, check_state
from blocks.testing.postprocessor import postprocessor_case
from blocks.testing.preprocessor import check_odd_values, check_offline, preprocessor_case
from blocks.testing.rules import require, rule
from blocks.testing.sample_rows import Options, plain
from blocks.testing.trained import extractor_case, head_case
from blocks.testing.window_values import check_windows

ROLES = (Preprocessor, FeatureExtractor, Classifier, Regressor, Postprocessor)


def check_block(
    block: Block,
    data: Any,
    *,
    finite: bool = True,
    tolerance: float = 1e-6,
    chunk_tolerance: float = 1e-12,
) -> None:
    """Check a block against every rule of the contract that its role knows; the block itself stays as it is.

    Checked for all roles: the class is final; the configuration survives JSON and no pickle is needed; learned state
    survives `restore`, `copy`, a `.keras` file; a symbolic call, an eager one, a `tf.function`, a `tf.data` map and a
    reloaded SavedModel agree, at batch sizes 1, 2, 3, 7, 8, 16, 17 and all; inputs are left unchanged. For
    preprocessors "agree" means bit for bit. Beyond these:

    - preprocessors: use before `adapt` is refused; adapting in chunks, in merged parts or twice changes nothing;
      missing, infinite and unseen values give features of the declared shape, dtype, range and cardinality, spoil no
      statistic, and change no other row; the offline path (`Transform`) gives the same bits; each value of a window
      gives the bits that it gives alone, where blocks take windows. One that uses the target comes adapted, and its
      learning is not checked;
    - feature extractors: the announced shape is true; gradients reach every trainable weight;
    - heads: the target's encoding does not depend on chunks or dictionary encoding, and marks what is unusable; loss
      and gradients are finite; metrics are fresh;
    - postprocessors: answers that come in go out; calibrating in chunks or twice changes nothing.

    Args:
        block: Adapted or not. A feature extractor that embeds ids has its `spec`; a postprocessor that needs a head is
            bound to it.
        data: What the block works on. A preprocessor: one column (any form that `adapt` takes; nulls are missing
            values), a tuple of columns for a block of several, a table for `Columns`. A feature extractor: a float
            array (rows, width) or the dict of packed features. A head: `(representation, target)`, of shapes
            (rows, width) and (rows,), or a dict of target columns where it has several. A postprocessor: the dict of
            answers or, when it calibrates, `(answers, encoded target)`.
        finite: Whether all features and answers must be finite, whatever comes in; False for a block that declares to
            pass NaN or infinity on.
        tolerance: Of trained parts and postprocessors: largest difference relative to the largest size of an array.
        chunk_tolerance: Of learned floats, adapted in chunks against at once: largest relative difference; 0 demands
            the bits. Other learned arrays are always compared bit for bit.

    Raises:
        AssertionError: Naming the block, the rule, and what was found.

    Example:
        >>> import keras
        >>> import tensorflow as tf
        >>> from blocks.block import Preprocessor
        >>> @keras.saving.register_keras_serializable(package="mine")
        ... class Halve(Preprocessor):
        ...     "Half of every number; a missing one is 0."
        ...
        ...     def compute(self, values):
        ...         values = tf.cast(values, tf.float64)
        ...         return tf.where(tf.math.is_nan(values), tf.zeros_like(values), values / 2)
        >>> check_block(Halve(), [1.0, 2.5, None], finite=False)
        >>> check_block(Halve(), [1.0, 2.5, None])
        Traceback (most recent call last):
        AssertionError: Halve: missing, infinite and unseen values become finite features (or finite=False). ...
    """
    with rule(block, "a block is final: its class derives from one of the five roles and from nothing else of blocks"):
        bases = [base for base in type(block).__bases__ if issubclass(base, Block)]
        require(len(bases) == 1 and bases[0] in ROLES, ", ".join(base.__name__ for base in bases))
    config = check_config(block)
    cases = {
        Preprocessor: preprocessor_case,
        FeatureExtractor: extractor_case,
        Head: head_case,
        Postprocessor: postprocessor_case,
    }
    role = next(role for role in cases if isinstance(block, role))
    options = Options(finite, 0.0 if role is Preprocessor else tolerance, chunk_tolerance)
    case = cases[role](block, data, options)
    check_state(case)
    check_inputs(case)
    check_paths(case, options)
    if role is Preprocessor:
        check_odd_values(case, options)
        check_offline(case)
        check_windows(case)
    with rule(block, "checking leaves the block's configuration alone: `learn` and `copy` change nothing"):
        require(plain(block.get_config()) == config, "another configuration")
