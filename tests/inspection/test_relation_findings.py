"""What is pointed out of columns taken together: a table with every kind of it, and one without any."""

import numpy as np
import pyarrow as pa

from blocks.inspection.relation_findings import relation_findings

ROWS = 2_000


def kinds(table, *arguments):
    return [(one.severity, one.kind, one.columns) for one in relation_findings(pa.table(table), *arguments)]


def clean_columns(random):
    x = random.normal(size=ROWS)
    return {
        "x": x,
        "half of it": x + random.normal(size=ROWS),
        "kind": random.choice(["a", "b", "c"], ROWS),
        "gaps": pa.array(random.normal(size=ROWS), mask=random.random(ROWS) < 0.3),
        "name": random.integers(0, 700, ROWS).astype(str),
        "label": np.where(x + random.normal(size=ROWS) > 0, "yes", "no"),
    }


def test_of_columns_that_are_as_they_should_be_nothing_is_said():
    assert kinds(clean_columns(np.random.default_rng(0)), "label") == []
    assert kinds(clean_columns(np.random.default_rng(0))) == []


def test_leaks_of_a_class():
    random = np.random.default_rng(1)
    table = clean_columns(random)
    yes = table["label"] == "yes"
    gaps = random.random(ROWS) < 0.2
    table |= {
        "alive": yes,
        "score": np.where(yes, 5, -5) + random.normal(size=ROWS),
        "closed on": pa.array(random.normal(size=ROWS), mask=yes),
        "city": pa.array(random.choice(["r", "o"], ROWS), mask=gaps),
        "country": pa.array(random.choice(["i", "n"], ROWS), mask=gaps),
        "x again": table["x"] * 2.54,
    }
    found = kinds(table, "label")
    assert found == [
        ("error", "copy of the target", ("alive",)),
        ("warning", "tells the target alone", ("closed on",)),
        ("warning", "tells the target alone", ("score",)),
        ("warning", "missing tells the target", ("closed on",)),
        ("note", "copy of a column", ("x again", "x")),
        ("note", "missing together", ("city", "country")),
    ]
    sentences = {one.kind: one for one in relation_findings(pa.table(table), "label")}
    told = sentences["copy of the target"]
    assert told.sentence == "'alive' is another name for 'label' in 2,000 sampled rows."
    assert told.advice.endswith("(exclude=['alive']).")
    assert (
        sentences["copy of a column"].sentence
        == "'x again' is a straight line of 'x' (correlation 1) in 2,000 sampled rows."
    )
    assert "Cram\u00e9r's V 1.00 of 1" in sentences["missing tells the target"].sentence


def test_a_target_that_is_a_sum_of_its_parts():
    random = np.random.default_rng(2)
    casual, registered = random.poisson(20, ROWS), random.poisson(150, ROWS)
    table = {"casual": casual, "registered": registered, "day": np.arange(ROWS), "count": casual + registered}
    found = list(relation_findings(pa.table(table), "count"))
    assert ("error", "target is a sum", ("casual", "registered")) in kinds(table, "count")
    assert found[0].sentence == "'count' is 'casual' + 'registered' in each of 2,000 sampled rows."
    scaled = {**table, "count": 2 * casual - 0.5 * registered + 3}
    (found,) = (one for one in relation_findings(pa.table(scaled), "count") if one.kind == "target is a sum")
    assert found.sentence.startswith("'count' is 2 * 'casual' + -0.5 * 'registered' + 3 in each")


def test_of_keys_nothing_is_said():
    table = {"id": np.arange(ROWS), "row": np.arange(ROWS), "y": np.arange(ROWS) * 2.0}
    assert {one[2] for one in kinds(table, "y", ["id"])} == {("row",)}
    assert kinds(table, None, ["id", "row"]) == []
