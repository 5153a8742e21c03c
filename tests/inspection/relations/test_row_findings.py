"""What is pointed out of rows: duplicates of every kind, and orders; and nothing where there is none."""

import numpy as np
import pyarrow as pa

from blocks.inspection.relations.duplicate_rows import DuplicateRows
from blocks.inspection.relations.order_in_time import OrderInTime
from blocks.inspection.relations.row_findings import duplicate_findings, order_findings

ROWS = 900


def duplicates(parts, **arguments):
    counted = DuplicateRows(**arguments)
    for part, table in parts.items():
        for chunk in table.to_batches():
            counted.update(part, chunk)
    return list(duplicate_findings(counted.result(), arguments.get("target")))


def orders(parts, target=None, time=None):
    seen = OrderInTime(["t"])
    for part, table in parts.items():
        for chunk in table.to_batches():
            seen.update(part, chunk)
    return list(order_findings(next(iter(parts.values())), seen.result(), target, time))


def told(findings):
    return [(one.severity, one.kind, one.columns, one.parts) for one in findings]


def rows(first, last):
    numbers = np.arange(first, last)
    return pa.table({"id": numbers, "x": numbers / 7, "label": numbers % 3})


def test_of_rows_that_all_differ_nothing_is_said():
    assert duplicates({"train": rows(0, 90), "test": rows(90, 120)}, key=["id"], target="label") == []
    assert duplicates({"train": rows(0, 90)}) == []


def test_keys_contents_and_labels():
    table = rows(0, 100)
    test = rows(80, 120).set_column(2, "label", pa.array(np.arange(80, 120) % 3 + (np.arange(80, 120) == 85)))
    train = pa.concat_tables([table, table.slice(0, 20), pa.table([[None], [0.5], [1]], table.schema)])
    found = duplicates({"train": train, "test": test}, key=["id"], target="label")
    assert told(found) == [
        ("warning", "key stands twice", ("id",), ("train",)),
        ("warning", "key is missing", ("id",), ("train",)),
        ("error", "key in two splits", ("id",), ("train", "test")),
        ("warning", "duplicate rows", (), ("train",)),
        ("warning", "rows in two splits", (), ("train", "test")),
        ("warning", "label conflicts", ("label",), ()),
    ]
    sentences = [one.sentence for one in found]
    assert sentences[0] == "20 (16.7%) rows of 'train' have a key ('id') that an earlier row has."
    assert sentences[2] == "20 keys ('id') stand in 'train' and in 'test': 20 and 20 rows."
    assert sentences[3] == "20 (16.5%) rows of 'train' stand there already, equal in all columns."
    assert sentences[4] == (
        "20 rows of 'train' (16.5%) and 20 of 'test' (50.0%) are equal in all columns but 'label': "
        "20 different contents."
    )
    assert (
        sentences[5]
        == "2 (1.2%) rows are equal in all other columns to one with another 'label': 1 different contents."
    )


def test_that_few_values_repeat_is_a_note():
    random = np.random.default_rng(0)
    few = {
        name: pa.table({"a": random.integers(0, 3, 200), "b": random.integers(0, 3, 200)}) for name in ("one", "two")
    }
    found = duplicates(few)
    assert {one.severity for one in found} == {"note"}
    assert [one.kind for one in found] == ["duplicate rows", "duplicate rows", "rows in two splits"]
    assert all("chance" in one.advice for one in found)


def test_a_random_split_of_rows_in_time():
    random = np.random.default_rng(1)
    t = np.arange(ROWS)
    table = pa.table(
        {
            "t": pa.array(t.astype(np.int32), pa.date32()),
            "y": random.normal(size=ROWS) + t / 300,
            "z": random.random(ROWS),
        }
    )
    first = random.random(ROWS) < 0.8
    by_chance = {"train": table.filter(pa.array(first)), "test": table.filter(pa.array(~first))}
    found = orders(by_chance, "y")
    assert told(found) == [
        ("warning", "target moves with the row number", ("y",), ()),
        ("warning", "splits overlap in time", ("t",), ("train", "test")),
    ]
    assert "which stand in order of 't' (Kolmogorov-Smirnov distance" in found[0].sentence
    assert found[1].sentence.startswith(
        "By 't', 100% of the rows of 'train' are not earlier than the first of 'test' ("
    )
    assert found[1].advice.startswith("If the future is to be predicted, split by time='t'")
    assert [one.severity for one in orders(by_chance)] == ["note", "note"]
    assert [one.severity for one in orders(by_chance, "z", "t")] == ["note", "warning"]
    by_time = {"train": table.slice(0, 700), "test": table.slice(700)}
    assert [one.kind for one in orders(by_time, "y")] == ["target moves with the row number"]
    backwards = {"test": table.slice(0, 200), "train": table.slice(200)}
    assert "100% are later than its last" in orders(backwards, "y")[-1].sentence
    three = {**by_chance, "valid": by_chance["test"]}
    assert told(orders(three, "y"))[-1][3] == ("train", "test", "valid")
    # a date that rows do not stand in order of is no time of theirs, unless it is said
    mixed = {name: part.take(random.permutation(len(part))) for name, part in by_chance.items()}
    assert orders(mixed) == []
    assert [one.kind for one in orders(mixed, None, "t")] == ["splits overlap in time"]


def test_sorted_and_unordered_rows():
    random = np.random.default_rng(2)
    y = random.choice(["a", "b"], ROWS)
    table = pa.table({"t": random.integers(0, 99, ROWS), "y": y, "x": random.random(ROWS)})
    assert orders({"rows": table}, "y") == []
    by_label = orders({"rows": table.set_column(1, "y", pa.array(np.sort(y)))}, "y")
    assert told(by_label) == [
        ("warning", "sorted rows", ("y",), ()),
        ("warning", "target moves with the row number", ("y",), ()),
    ]
    assert list(order_findings(None, OrderInTime(["t"]).result())) == []
