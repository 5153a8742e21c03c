"""Adapt: passes, waves equal to scikit-learn's pipelines, continuing, no leakage, errors."""

import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import blocks
from blocks.classifiers import Softmax
from blocks.data import read
from blocks.data.raw_columns import RawColumn
from blocks.errors import BadTarget, BlocksWarning, EmptySource, InvalidArgument, SchemaMismatch
from blocks.offline.adapt import adapt, passes
from blocks.preprocessors import Columns, Impute, Log1p, Standardize, Vocabulary
from blocks.regressors import Mean
from blocks.statistics import Counts, Summary

RANDOM = np.random.default_rng(0)
ROWS = 3000
AGE = np.where(RANDOM.random(ROWS) < 0.2, np.nan, RANDOM.normal(40.0, 10.0, ROWS))
INCOME = RANDOM.lognormal(8.0, 1.5, ROWS)
TABLE = pa.table(
    {
        "age": pa.array(AGE, from_pandas=True),
        "income": INCOME,
        "city": RANDOM.choice(["rome", "oslo", "nice"], ROWS),
        "label": RANDOM.choice(["no", "yes"], ROWS),
        "price": RANDOM.normal(100.0, 5.0, ROWS),
    }
)


class Counting:
    """A source of somebody's own that notes what was read of it."""

    def __init__(self, table, rows=500):
        self.table, self.rows = table, rows
        self.passes = 0

    @property
    def schema(self):
        return self.table.schema

    def chunks(self, rows):
        self.passes += 1
        yield from self.table.to_batches(max_chunksize=self.rows)


def chains():
    return Columns(
        {
            "age": [Impute("median"), Standardize()],
            "income": [Log1p(), Standardize()],
            "city": Vocabulary(),
        }
    )


def test_passes_are_counted_by_the_longest_chain_that_learns():
    assert passes(Columns({"x": Log1p()})) == 1
    assert passes(Columns({"x": [Log1p(), Standardize()], "y": Vocabulary()})) == 1
    assert passes(chains()) == 2
    assert passes(Columns({"x": [Impute("mean"), Standardize(), Standardize()]})) == 3


@pytest.mark.parametrize(
    ("columns", "expected"), [(lambda: Columns({"income": [Log1p(), Standardize()]}), 1), (chains, 2)]
)
def test_as_many_passes_are_made_as_announced(columns, expected):
    source = Counting(TABLE)
    adapt(columns(), Softmax("label"), read(source))
    assert source.passes == expected


@pytest.mark.parametrize("rows", [1, 97, 100_000])
def test_waves_equal_scikit_learn_pipelines(rows):
    columns = chains()
    part = TABLE if rows > 1 else TABLE.slice(0, 300)
    adapt(columns, None, read(Counting(part, rows)))
    age, income = AGE[: len(part), None], INCOME[: len(part), None]
    expected = np.stack(
        [
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit_transform(age)[:, 0],
            make_pipeline(FunctionTransformer(np.log1p), StandardScaler()).fit_transform(income)[:, 0],
        ],
        axis=1,
    ).astype("float32")
    raw = {"age": age[:, 0], "income": income[:, 0], "city": part["city"].to_numpy(zero_copy_only=False)}
    found = columns(raw)["numeric"].numpy()
    assert np.abs(found - expected).max() <= 2 * np.spacing(np.abs(expected).max())
    assert np.mean(found == expected) > 0.99


def test_a_chain_on_strings_learns_from_distinct_values_with_their_counts():
    # the second vocabulary reads ids, of which missing (0) is one more
    columns = Columns({"city": [Vocabulary(vocabulary=["nice", "rome", "oslo"]), Vocabulary()]})
    adapt(columns, None, read({"city": ["oslo", "oslo", None, "rome", "oslo", "rome"]}))
    assert columns["city"][0][1].tokens == [4, 3, 0]


def test_statistics_are_returned_by_lane_block_and_name():
    summary = adapt(chains(), Mean("price"), read(TABLE))
    assert set(summary) == {
        "age/0:Impute/of", "age/1:Standardize/moments", "income/1:Standardize/moments", "city/0:Vocabulary/counts",
        "target/moments",
    }  # fmt: skip
    assert summary["target/moments"].result().count == ROWS


def test_continuing_equals_adapting_at_once(tmp_path):
    def make():
        return Columns({"age": Standardize(), "income": [Log1p(), Standardize()], "city": Vocabulary()})

    def learned(columns, head):
        return {**{f"c/{k}": v for k, v in columns.state.items()}, **{f"h/{k}": v for k, v in head.state.items()}}

    once, head = make(), Softmax("label")
    adapt(once, head, read(TABLE))
    first = adapt(make(), Softmax("label"), read(TABLE.slice(0, 1000)))
    first.save(tmp_path / "statistics")
    columns, other = make(), Softmax("label")
    initial = blocks.Summary.load(tmp_path / "statistics")
    adapt(columns, other, read(TABLE.slice(1000)), initial=initial)
    for name, value in learned(once, head).items():
        found = learned(columns, other)[name]
        if value.dtype.kind == "f":
            assert float(found) == pytest.approx(float(value), rel=1e-13), name
        else:
            assert np.array_equal(found, value), name
    assert initial["age/0:Standardize/moments"].result().rows == 1000  # what was given is left as it was


def test_continuing_is_refused_where_it_cannot_be_exact():
    summary = adapt(chains(), None, read(TABLE))
    with pytest.raises(
        InvalidArgument, match=r"every block reads raw columns \(one pass\). Received: chains that take 2"
    ):
        adapt(chains(), None, read(TABLE), initial=summary)
    one = adapt(Columns({"age": Standardize()}), None, read(TABLE))
    with pytest.raises(InvalidArgument, match=r"same columns and blocks. Received: differences in age/0.*income/0"):
        adapt(Columns({"income": Standardize()}), None, read(TABLE), initial=one)


def test_only_what_is_given_is_read():
    splits = read(TABLE).split(train=0.5, test=0.5, seed=3)
    columns, head = chains(), Mean("price")
    adapt(columns, head, splits["train"])
    train = splits["train"].to_table()
    alone, other = chains(), Mean("price")
    adapt(alone, other, read(train))
    for name, value in alone.state.items():
        assert np.array_equal(columns.state[name], value), name
    assert float(head.state["mean"]) == pytest.approx(train["price"].to_numpy().mean(), rel=1e-14)


def test_only_the_needed_columns_are_read(tmp_path):
    broken = TABLE.append_column("never", pa.array([b"\xff"] * ROWS))
    pq.write_table(broken, tmp_path / "t.parquet")
    source = Counting(TABLE.select(["age"]).append_column("zzz", pa.nulls(ROWS)))
    adapt(Columns({"age": Standardize()}), None, read(source))
    columns = Columns({"age": Standardize()})
    adapt(columns, None, read(tmp_path / "t.parquet"))
    assert columns.inputs == {"age": RawColumn("float64")}


def test_adapting_again_starts_over():
    columns = chains()
    adapt(columns, None, read(TABLE.slice(0, 10)))
    adapt(columns, None, read(TABLE))
    fresh = chains()
    adapt(fresh, None, read(TABLE))
    for name, value in fresh.state.items():
        assert np.array_equal(columns.state[name], value), name


def test_a_constant_column_is_no_division_by_zero():
    columns = Columns({"x": Standardize(), "y": Vocabulary()})
    adapt(columns, None, read({"x": [3.0] * 5, "y": ["same"] * 5}))
    assert columns({"x": np.array([3.0]), "y": np.array(["same"], object)})["numeric"].numpy().tolist() == [[0.0]]


def test_errors_say_the_rule():
    with pytest.raises(
        BadTarget, match=r"The target must not stand among the inputs.*Received: 'city'.*exclude=\['city'\]"
    ):
        adapt(chains(), Softmax("city"), read(TABLE))
    with pytest.raises(BadTarget, match=r"The sample_weight must not stand among the inputs.*'age'"):
        adapt(chains(), Softmax("label", sample_weight="age"), read(TABLE))
    with pytest.raises(SchemaMismatch, match=r"The target is a column of the source, which has: .*Received: 'lable'"):
        adapt(chains(), Softmax("lable"), read(TABLE))
    with pytest.raises(SchemaMismatch, match=r"Columns: there is no column 'agee'. Did you mean 'age'\?"):
        adapt(Columns({"agee": Standardize()}), None, read(TABLE))
    with pytest.raises(
        SchemaMismatch, match=r"Standardize takes columns of number. Received: column 'city' of type string"
    ):
        adapt(Columns({"city": Standardize()}), None, read(TABLE))
    with pytest.raises(EmptySource, match=r"There is nothing to adapt on. Received: Source\(.*with no row"):
        adapt(chains(), None, read(TABLE.slice(0, 0)))
    with pytest.raises(EmptySource, match=r"Standardize learns from values that are there"):
        adapt(Columns({"x": Standardize()}), None, read({"x": pa.nulls(5, pa.float64())}))
    with pytest.raises(BadTarget, match=r"two classes or more. Received: 'label' with 'only'"):
        adapt(Columns({"x": Standardize()}), Softmax("label"), read({"x": [1.0, 2.0], "label": ["only", "only"]}))


def test_the_error_of_a_column_names_it():
    with pytest.raises(EmptySource, match=r"'void'"):
        adapt(Columns({"void": Standardize()}), None, read({"void": pa.nulls(5, pa.float64())}))


def identifiers(columns=12, rows=30_000, seed=0):
    """Columns of text, half of whose rows are one of 20 tokens, and half of which come once."""
    random = np.random.default_rng(seed)
    numbers = np.where(random.random(rows) < 0.5, random.integers(0, 20, rows), 1000 * (seed + 1) + np.arange(rows))
    texts = [f"token {number}" for number in numbers]
    return pa.table({f"c{i}": texts for i in range(columns)})


def shares(summary):
    return {one.parameters()["max_bytes"] for one in summary.values() if isinstance(one, Counts)}


def test_all_columns_share_one_memory_and_frequent_tokens_are_found():
    table = identifiers()
    columns = Columns({name: Vocabulary(min_count=2) for name in table.schema.names})
    with pytest.warns(BlocksWarning, match=r'model.adapt\(..., memory="2GiB"\)'):
        summary = adapt(columns, None, read(table), memory="4MiB", verbose=False)
    assert sum(one.nbytes for one in summary.values()) <= 4 << 20
    assert shares(summary) == {(4 << 20) // 16}
    for ((block,),) in map(columns.__getitem__, table.schema.names):
        assert {f"token {i}".encode() for i in range(20)} <= set(block.tokens)
    # the advice works
    columns = Columns({name: Vocabulary(min_count=2) for name in table.schema.names})
    summary = adapt(columns, None, read(table), memory="2GiB", verbose=False)
    assert all(one.result().exact for one in summary.values())


def test_shares_follow_from_the_columns_and_not_from_the_rows_so_that_pieces_merge():
    def summary(table):
        columns = Columns({name: Vocabulary(top_k=5) for name in table.schema.names})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BlocksWarning)
            return adapt(columns, None, read(table), memory="4MiB", verbose=False)

    one, other, third = (summary(identifiers(rows=rows, seed=seed)) for seed, rows in enumerate((500, 20_000, 9_000)))
    left, right = Summary(), Summary()
    for total, order in ((left, (one, other, third)), (right, (third, one, other))):
        for part in order:
            total.merge(part)
    assert shares(left) == shares(one) == shares(other)
    for name, counts in left.items():
        found = counts.result()
        assert found.rows == 29_500
        again = right[name].result()
        assert found.values.to_pylist()[:20] == again.values.to_pylist()[:20]


def test_continued_statistics_keep_the_memory_that_they_were_begun_with():
    table = identifiers(columns=3, rows=2_000)
    columns = Columns({name: Vocabulary() for name in table.schema.names})
    begun = adapt(columns, None, read(table), memory="1MiB", verbose=False)
    more = adapt(columns, None, read(table), initial=begun, verbose=False)
    assert shares(more) == shares(begun) != {1 << 26}
    assert all(one.result().rows == 4_000 for one in more.values())


def test_a_column_that_was_told_its_memory_has_it_beside_the_others():
    table = identifiers(columns=2, rows=100)
    columns = Columns({"c0": Vocabulary(max_bytes=1 << 27), "c1": Vocabulary()})
    summary = adapt(columns, None, read(table), memory="10MiB", verbose=False)
    assert [one.parameters()["max_bytes"] for one in summary.values()] == [1 << 27, 2 << 20]


def test_memory_that_is_none_is_refused_before_anything_is_read():
    source = Counting(TABLE)
    for memory in ("much", 0, True, 1.5):
        with pytest.raises(InvalidArgument, match="memory is a number of bytes"):
            adapt(chains(), None, read(source), memory=memory)
    with pytest.raises(InvalidArgument, match=r"need .* of memory at least"):
        adapt(chains(), None, read(source), memory=100)
    with pytest.raises(InvalidArgument, match="memory is a number of bytes"):
        Columns.infer(read(source), memory="1 XB")
    assert source.passes == 0
    model = blocks.Model(head=Softmax("label"))
    with pytest.raises(InvalidArgument, match="memory is a number of bytes"):
        model.adapt(TABLE, memory="")
    model.adapt(TABLE, memory="100 MB", verbose=False)
    assert model.predict(TABLE)["probabilities"].shape == (ROWS, 2)
