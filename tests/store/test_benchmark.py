"""`blocks bench`: rates that are what was counted over what was timed, for every kind of store."""

import numpy as np
import pytest

from blocks.cli.main import main
from blocks.errors import CorruptShard, InvalidArgument
from blocks.store import Rows, SplitPlan, open_store, write
from blocks.store import benchmark as module
from blocks.store.benchmark import Rate, bench, table

WAYS = ["files read", "disk read", "memory copied", "stream()", "dataset()"]


def test_every_way_of_every_kind_of_store(stored):
    rates = {rate.way: rate for rate in bench(stored, seconds=0.4, batch_size=64)}
    assert list(rates) == WAYS
    row = sum(entry.row_bytes() for entry in stored["train"].entries if not entry.name.startswith("keys/"))
    for way in WAYS[2:]:
        assert rates[way].bytes == pytest.approx(rates[way].rows * row)
    shards = stored.manifest.splits["train"]
    bytes_a_row = sum(shard.bytes for shard in shards) / sum(shard.rows for shard in shards)
    for way in WAYS[:2]:
        assert rates[way].bytes == pytest.approx(rates[way].rows * bytes_a_row, rel=0.2)
    assert all(rate.rows > 0 for rate in rates.values())


def test_a_rate_is_what_was_counted_over_what_was_timed(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])

    begun = []

    def way():
        begun.append(now[0])
        if len(begun) == 1:
            now[0] += 7.0  # what begins is not what goes on
        for _ in range(3):
            now[0] += 0.25
            yield 10, 80

    pieces = module._endless(way)
    assert module._rate(pieces, 2.0) == (40.0, 320.0)
    for _ in range(3):  # what lies ready when its turn comes again
        now[0] -= 0.25
    assert module._rate(pieces, 2.0) == (40.0, 320.0)
    assert len(begun) > 2


def test_steady_work_is_not_begun_again_each_turn(small, tmp_path, monkeypatch):
    store = small.make(tmp_path / "s")
    begun = []
    endless = module._endless
    monkeypatch.setattr(module, "_endless", lambda way: begun.append(way) or endless(way))
    bench(store, seconds=0.3)
    assert len(begun) == 4 + 3  # each way once, and the disk, whose cache is emptied, in each of its turns


def test_the_largest_split_unless_told_and_its_damage(small, tmp_path):
    store = small.make(tmp_path / "s")
    shard = store.manifest.splits["valid"][0]
    raw = bytearray((store.path / shard.file).read_bytes())
    raw[shard.offsets["target"][0]] ^= 1
    (store.path / shard.file).write_bytes(raw)
    assert len(bench(store, seconds=0.1)) == len(WAYS)
    with pytest.raises(CorruptShard, match=r"valid-00000\.h5"):
        bench(store, "valid", seconds=0.1)
    with pytest.raises(InvalidArgument, match="has the splits"):
        bench(store, "test")


def test_bad_arguments(small, tmp_path):
    store = small.make(tmp_path / "s")
    with pytest.raises(InvalidArgument, match="seconds is a positive number"):
        bench(store, seconds=0)
    with pytest.raises(InvalidArgument, match="seconds is a positive number"):
        bench(store, seconds=float("nan"))
    with pytest.raises(InvalidArgument, match="batch_size must be a whole number, at least 1"):
        bench(store, batch_size=0)
    plans = {
        "train": SplitPlan(lambda skip: iter([Rows({"x": np.ones((3, 1), "f4")})])),
        "no": SplitPlan(lambda _: iter(())),
    }
    store = write(tmp_path / "e", plans, fingerprint={}, verbose=0)
    with pytest.raises(InvalidArgument, match="'no', which has none"):
        bench(store, "no")


def test_the_table():
    lines = table([Rate("files read", 4e6, 8e8), Rate("stream()", 1e6, 2e8)]).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["files", "read", "4,000,000", "800", "1.00"],
        ["stream()", "1,000,000", "200", "0.25"],
    ]


def test_the_command_line(small, tmp_path, capsys):
    small.make(tmp_path / "s")
    assert main(["bench", str(tmp_path / "s"), "--seconds", "0.2", "--batch-size", "32"]) == 0
    printed = capsys.readouterr().out
    assert "train: 1000 rows, valid: 25 rows" in printed
    assert all(f"\n{way} " in printed for way in WAYS)
    assert main(["bench", str(tmp_path / "no")]) == 1
    assert "is not a store" in capsys.readouterr().err


def test_check_on_the_command_line(small, tmp_path, capsys):
    store = small.make(tmp_path / "s")
    assert main(["check", str(store.path)]) == 0
    assert capsys.readouterr().out == f"{store.path}: 0 problems in 1,025 rows\n"
    raw = bytearray((store.path / "train-00001.h5").read_bytes())
    raw[len(raw) // 2] ^= 1
    (store.path / "train-00001.h5").write_bytes(raw)
    assert main(["check", str(store.path)]) == 1
    assert "train-00001.h5: " in capsys.readouterr().out
    (store.path / "train-00002.h5").unlink()
    assert main(["check", str(store.path)]) == 1
    told = capsys.readouterr().out
    assert "train-00001.h5: " in told
    assert "train-00002.h5: " in told
    assert open_store(store.path, repairing=True).rows == {"train": 1000, "valid": 25}
