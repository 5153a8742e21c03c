"""What a `tf.data.Dataset` of a Python function needs, held for as long as the dataset is.

TensorFlow keeps the function of every `from_generator` and `numpy_function` for good, in its default graph, and
whatever the function refers to with it: windows of rows, open files, a user's table. A function that refers to a lease
keeps none of them.
"""

import weakref
from typing import Any, Generic, TypeVar

from blocks.errors import InvalidArgument

T = TypeVar("T")


class Lease(Generic[T]):
    """A value that is given back when a dataset is gone.

    Args:
        value: What the dataset's function needs.

    Example:
        >>> class Dataset: ...
        >>> lease, dataset = Lease([1, 2, 3]), Dataset()
        >>> lease.ends_with(dataset)
        >>> lease.value
        [1, 2, 3]
        >>> del dataset
        >>> lease.value
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: A dataset is read for as long as there is a reference to it. ...
    """

    def __init__(self, value: T):
        self._held = [value]

    @property
    def value(self) -> T:
        """The value.

        Raises:
            InvalidArgument: The dataset is gone.
        """
        if not self._held:
            raise InvalidArgument(
                "A dataset is read for as long as there is a reference to it. Received: one that is gone. Keep the "
                "dataset, or one made of it."
            )
        return self._held[0]

    def ends_with(self, dataset: Any) -> None:
        """Give the value back when the dataset is gone; those made of it keep it."""
        weakref.finalize(dataset, self._held.clear).atexit = False
