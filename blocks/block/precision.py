"""The precision in which targets, losses and metrics are held."""

import keras


def wide() -> str:
    """The dtype of targets and of sums over rows: float64, where the backend has it (JAX has not, unless told to).

    A target such as 1e9 + noise has no room in float32, and a sum of ones in float32 ends at 16,777,216.
    """
    return "float32" if keras.backend.backend() == "jax" else "float64"
