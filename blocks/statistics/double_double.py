"""Scalars held as the unevaluated sum of two float64: about 106 bits, where merging many chunks would lose some of 53.

Knuth's two-sum, Dekker's split and product; see Hida, Li, Bailey, "Library for Double-Double and Quad-Double
Arithmetic" (2007). Inputs must stay below 2^500, or a product overflows. Arrays are none of its business.
"""

from typing import TypeAlias

DoubleDouble: TypeAlias = tuple[float, float]

ZERO: DoubleDouble = (0.0, 0.0)


def two_sum(a: float, b: float) -> DoubleDouble:
    """The exact sum of two floats."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: float, b: float) -> DoubleDouble:
    """The exact product of two floats."""
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def add(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    """The sum, a + b."""
    high, low = two_sum(a[0], b[0])
    tail, rest = two_sum(a[1], b[1])
    high, low = two_sum(high, low + tail)
    return two_sum(high, low + rest)


def subtract(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    """The difference, a - b."""
    return add(a, (-b[0], -b[1]))


def multiply(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    """The product, a * b."""
    high, low = two_product(a[0], b[0])
    return two_sum(high, low + (a[0] * b[1] + a[1] * b[0]))


def divide(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    """The quotient, a / b, by long division in three steps."""
    first = a[0] / b[0]
    rest = subtract(a, multiply(b, (first, 0.0)))
    second = rest[0] / b[0]
    rest = subtract(rest, multiply(b, (second, 0.0)))
    return add(two_sum(first, second), (rest[0] / b[0], 0.0))


def _split(a: float) -> DoubleDouble:
    shifted = 134217729.0 * a  # 2^27 + 1
    high = shifted - (shifted - a)
    return high, a - high
