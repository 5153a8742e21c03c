"""Several chains of one column that end with blocks of the same class: each keeps its own output."""

import numpy as np
import pyarrow as pa

import blocks
from blocks.adapt import adapt
from blocks.preprocessors import Columns, Cyclical
from blocks.transform import Transform


def test_chains_that_end_alike_keep_their_own_outputs():
    instants = pa.array([0, 86_400_000_000 * 40, 3_600_000_000 * 5], pa.timestamp("us"))
    columns = Columns({"at": ([Cyclical("month")], [Cyclical("weekday")], [Cyclical("hour")])})
    adapt(columns, None, blocks.read({"at": instants}))
    assert len({lane.name for lane in columns.lanes}) == 3
    served = columns({"at": instants.cast(pa.int64()).to_numpy()})["numeric"].numpy()
    offline = Transform(columns)(pa.record_batch({"at": instants}))["numeric"]
    assert served.tobytes() == offline.tobytes()
    for place, part in enumerate(("month", "weekday", "hour")):
        alone = Cyclical(part)(instants.cast(pa.int64()).to_numpy()).numpy()
        assert np.array_equal(served[:, 2 * place : 2 * place + 2], alone)
