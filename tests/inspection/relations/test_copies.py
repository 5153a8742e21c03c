"""Copies among columns: found whatever they are called and hold, and not where names only differ in every row."""

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.inspection.relations.associations import associations
from blocks.inspection.relations.copies import copies

ROWS = 2_000
RANDOM = np.random.default_rng(0)


def found_in(table, target=None):
    rows = pa.table(table)
    found = associations(rows, target)
    return {one.column: one for one in copies(rows, [*found.with_target, *found.among], target)}


def test_each_kind_of_copy():
    x, port = RANDOM.normal(size=ROWS), RANDOM.choice(["s", "c", "q"], ROWS)
    gaps = RANDOM.random(ROWS) < 0.1
    few = port.copy()
    few[0] = {"s": "c", "c": "q", "q": "s"}[few[0]]
    noisy = x + 0.01 * RANDOM.normal(size=ROWS)
    table = {
        "x": x,
        "port": port,
        "as text": pa.array(port).dictionary_encode(),
        "town": pd.Series(port).map({"s": "south", "c": "cher", "q": "queen"}).to_numpy(),
        "code": pa.array(pd.Series(port).map({"s": 9, "c": 4, "q": 5}).to_numpy(), mask=gaps),
        "almost": few,
        "fahrenheit": pa.array(32 - 1.8 * x, mask=gaps),
        "cubed": x**3,
        "noisy": noisy,
        "loosely": x + 0.2 * RANDOM.normal(size=ROWS),
        "other": RANDOM.choice(["s", "c", "q"], ROWS),
    }
    found = found_in(table)
    told = {name: (one.other, one.how, round(one.value, 4), one.rows) for name, one in found.items()}
    assert told == {
        "as text": ("port", "equal", 1.0, ROWS),
        "town": ("port", "one to one", 1.0, ROWS),
        "code": ("port", "nearly one to one", 1.0, ROWS - gaps.sum()),
        "almost": ("port", "nearly one to one", round(1 - 1 / ROWS, 4), ROWS),
        "fahrenheit": ("x", "linear", -1.0, ROWS - gaps.sum()),
        "cubed": ("x", "monotone", 1.0, ROWS),
        "noisy": ("x", "linear", round(np.corrcoef(x, noisy)[0, 1], 4), ROWS),
    }


def test_ids_are_no_copies_of_each_other_but_where_they_are_equal():
    names = np.array([f"n{i}" for i in range(ROWS)])
    found = found_in({"a": names, "b": names[::-1], "c": names, "row": np.arange(ROWS), "rank": 3 * np.arange(ROWS)})
    assert {name: (one.other, one.how) for name, one in found.items()} == {
        "c": ("a", "equal"),
        "rank": ("row", "linear"),
    }


def test_of_several_alike_each_is_one_of_the_first_and_of_the_target_before_all():
    port = RANDOM.choice(["s", "c", "q"], ROWS)
    found = found_in({"a": port, "b": np.char.upper(port), "y": np.char.add(port, "!"), "c": port}, "y")
    assert {name: (one.other, one.how) for name, one in found.items()} == {
        "a": ("y", "one to one"),
        "b": ("y", "one to one"),
        "c": ("a", "equal"),
    }


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([1, 2, None])), min_size=30, max_size=40))
def test_one_to_one_is_what_pandas_makes_of_it(pairs):
    table = pa.table({"a": [a for a, _ in pairs], "b": pa.array([b for _, b in pairs], pa.int64())})
    frame = table.to_pandas()
    codes = [pd.factorize(frame[name], use_na_sentinel=True)[0] for name in ("a", "b")]
    others = min(len(frame) - frame[name].isna().sum() - frame[name].value_counts().max() for name in frame)
    alike = np.array_equal(*codes) and others >= 5
    assert bool(copies(table, ())) == alike


def test_rare_flags_that_are_up_together_by_chance_are_no_copies():
    flags = np.zeros((2, ROWS), bool)
    flags[:, :4] = True
    assert found_in({"a": flags[0], "b": flags[1]}) == {}
    flags[:, :5] = True
    assert found_in({"a": flags[0], "b": flags[1]})["b"].how == "equal"


def test_little_is_said_of_few_rows_or_constants():
    assert found_in({"a": [1, 2] * 9, "b": [1, 2] * 9, "c": [1] * 18, "d": [1] * 18}) == {}
    assert found_in({"a": [1] * 100, "b": [1] * 100}) == {}
    with np.errstate(all="raise"):
        huge = found_in({"a": [1e308, -1e308] * 50, "b": [np.inf, 2.0] * 50})
    assert huge["b"].how == "one to one"
