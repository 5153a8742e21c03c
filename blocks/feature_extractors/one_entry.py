"""Which entry of the features an extractor of images, tokens or windows reads. Not a block."""

from collections.abc import Callable, Mapping
from typing import Any

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.features.spec import Entry


def one_entry(extractor: FeatureExtractor, input_shape: Any, reads: Callable[[Entry], bool], what: str) -> str | None:
    """The name of the entry that an extractor of a single one reads; None where it is given a plain tensor.

    Args:
        extractor: Bound to its specification.
        input_shape: What `make` is given.
        reads: Whether an entry is of the extractor's kind.
        what: Such an entry in words: "an image, uint8 (height, width, channels)".

    Raises:
        InvalidArgument: There is no such entry, there are several, or others beside it.
    """
    if not isinstance(input_shape, Mapping):
        return None
    kind, spec = type(extractor).__name__, extractor.spec
    fitting = [name for name in input_shape if spec is None or (name in spec and reads(spec[name]))]
    if len(fitting) == len(input_shape) == 1:
        return str(fitting[0])
    example = f"{fitting[0] if fitting else 'name'!r}: {kind}()"
    raise InvalidArgument(
        f"{kind} reads one entry, {what}. Received: {spec or ', '.join(sorted(input_shape))}. Give each entry an "
        f"extractor of its own: Joined({{{example}, ...}})."
    )
