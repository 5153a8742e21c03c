"""Number: text that says a number, as a number."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.data.raw_arrays import to_arrow, to_raw
from blocks.errors import InvalidArgument
from blocks.preprocessors.float64 import check_choice, number_or_keep
from blocks.preprocessors.numeric.number_grammar import MARKS, evidence, learned_from, parse, tidied
from blocks.statistics import Counts, Statistic

MAX_BYTES = 1 << 20
"""Memory of the evidence, of which a column of numbers has a few different pieces."""


@keras.saving.register_keras_serializable(package="blocks")
class Number(Preprocessor):
    """Numbers written as text: "12,345", "1.234,5", "12%", "$1.50", "(3)", "1e3 kg".

    Digits may stand in groups of three (India's of two, but for the last) by one of "," or ".", "'", a space or "_".
    "%" divides by 100, the per-mille sign by 1,000; "k" and "K" directly after the digits are thousands, "M" millions,
    "B" and "bn" thousand millions. A sign stands before or behind ("5-"); parentheses are negative, as accountants have
    it. The value is the text's double, rounded once. White space around it, of any kind, is no part of it.

    What is no number, is one in another unit, or lies beyond float64, is missing: `unparsable` lists it before it is
    learned from. So are numbers in words, hexadecimal ones, and such whose groups are of other lengths.

    Args:
        decimal: The decimal mark, "." or ",". None to learn it: what most of those texts have that can be read by one
            mark only. "12,345" can be read by both; where all texts can, the mark is ".".
        unit: The currency or unit that may stand at a number ("$", "kg"), before or behind; "" for none. None to learn
            it: the one that most texts have, if any has. A number without it is taken to be in it; one with another is
            missing, since grams are no kilograms.
        missing: What missing becomes: "keep" (NaN) or a number.

    Returns:
        float32 of shape (batch,), computed in float64.

    Raises:
        InvalidArgument: The decimal mark is another, or the unit holds digits, signs or white space at an end.

    Example:
        >>> block = Number().adapt(["1.234,50 €", "0,99 €", "12 €", "n/a"])
        >>> block.decimal, block.unit
        (',', '€')
        >>> block(np.array(["1.234,50 €", "7,5", "(3) €", "7 $"])).numpy()
        array([1234.5,    7.5,   -3. ,    nan], dtype=float32)
    """

    accepts = ("text",)

    def __init__(
        self,
        decimal: str | None = None,
        unit: str | None = None,
        *,
        missing: str | float = "keep",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if decimal is not None:
            check_choice("Number", "decimal", decimal, MARKS)
        if unit is not None and (not isinstance(unit, str) or not _is_unit(unit)):
            raise InvalidArgument(
                "Number's unit is text as it stands at a number, 'kg' or '$', without digits before it, signs or white "
                f"space around. Received: {unit!r}."
            )
        self.given_decimal, self.given_unit = decimal, unit
        self.missing = number_or_keep("Number", missing)
        if decimal is not None and unit is not None:
            self.restore(_state(decimal, unit))

    def statistics(self) -> dict[str, Statistic]:
        """What speaks for each decimal mark and unit, unless decimal mark and unit are given."""
        return {"forms": Counts(MAX_BYTES)} if self.given_decimal is None or self.given_unit is None else {}

    def observed(self, values: Any) -> Any:
        """The decimal marks by which each text is a number, and its unit."""
        return evidence(values)

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """Decimal mark and unit."""
        forms = results["forms"].result()
        usable(forms.total, "Number")
        texts = [value.as_py().decode() for value in forms.values]
        decimal, unit = learned_from(dict(zip(texts, forms.counts.tolist(), strict=True)))
        return _state(
            decimal if self.given_decimal is None else self.given_decimal,
            unit if self.given_unit is None else self.given_unit,
        )

    @property
    def decimal(self) -> str:
        """The decimal mark.

        Raises:
            NotAdapted: It is yet to be learned.
        """
        self.require_adapted()
        return self.state["decimal"].tobytes().decode()

    @property
    def unit(self) -> str:
        """The currency or unit, "" where there is none.

        Raises:
            NotAdapted: It is yet to be learned.
        """
        self.require_adapted()
        return self.state["unit"].tobytes().decode()

    def compute(self, values: Any) -> Any:
        """The numbers, float64."""
        number = parse(tidied(values), self.decimal, self.unit)
        return number if self.missing == "keep" else tf.where(tf.math.is_nan(number), np.float64(self.missing), number)

    def unparsable(self, data: Any) -> list[Any]:
        """The distinct values of a column that become missing though they are there.

        Args:
            data: Values of shape (rows,), in any form that `adapt` takes.

        Example:
            >>> Number(decimal=".", unit="").unparsable(["1,234", "n/a", "1.234,5", None])
            ['n/a', '1.234,5']
        """
        column = to_arrow(data, self.name).drop_null().unique()
        raw = to_raw(column, self.raw_column(column.type, self.name), self.name)
        lost = np.isnan(parse(tidied(tf.constant(raw, tf.string)), self.decimal, self.unit).numpy())
        return [value for value, gone in zip(column.to_pylist(), lost, strict=True) if gone and value not in ("", b"")]

    def examples(self, dtype: str) -> list[Any]:
        """Numbers in every form, and what is none."""
        group = "," if self.decimal == "." else "."
        point, unit = self.decimal, self.unit
        forms = ["0", f"1{group}234{point}5", "-3", "(7)", "12%", "1e3", "5k", f"{unit} 8", f"9{unit}", f"{point}25"]
        return [*forms, f"1{point}234{group}5", "1e400", "0x10", "12 34", *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "decimal": self.given_decimal,
            "unit": self.given_unit,
            "missing": self.missing,
        }


def _is_unit(unit: str) -> bool:
    return unit == unit.strip() and unit[:1] not in tuple("0123456789.,'_+-()") and unit[-1:] not in tuple("+-()%")


def _state(decimal: str, unit: str) -> State:
    return {name: np.frombuffer(text.encode(), np.uint8) for name, text in (("decimal", decimal), ("unit", unit))}
