"""Stores behind URLs: written and read by the file systems of pyarrow, of TensorFlow and of tensorflow-io."""

import errno
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import uuid
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from blocks.errors import CorruptShard, IncompleteStore, InvalidArgument, StoreError, StoreLocked, StoreMismatch
from blocks.files.lock import locked
from blocks.files.place import Remote
from blocks.store import SplitPlan, check, open_store, write
from blocks.store.writing.write import repair

SCRIPT = Path(__file__).with_name("small_store.py")


@pytest.fixture
def url():
    return f"ram://{uuid.uuid4().hex}/store"


def batches(store, **arguments):
    return [
        [np.array(x) for x in (features["numeric"], features["categorical"], target, weight)]
        for features, target, weight in store["train"].stream(64, seed=3, **arguments)
    ]


@pytest.mark.parametrize("layout", ["chunk", "example"])
def test_the_same_store_as_in_a_folder(small, tmp_path, url, layout):
    local = small.make(tmp_path / "s", "tfrecord", layout=layout)
    store = small.make(url, "tfrecord", layout=layout)
    assert small.digests(store.path) == small.digests(local.path)
    assert small.make(url, "tfrecord", layout=layout).reused
    opened = open_store(url)
    assert check(url) == opened.check() == []
    for ours, theirs in zip(batches(opened), batches(local), strict=True):
        assert all(map(np.array_equal, ours, theirs))
    of_dataset = [target.numpy() for _, target, _ in opened["train"].stream(64, seed=3).dataset()]
    assert all(map(np.array_equal, of_dataset, [batch[2] for batch in batches(local)]))
    assert opened["train"].read().keys["id"].tolist() == list(range(1000))


def test_an_interrupted_write_resumes(small, tmp_path, url):
    skipped = []

    def chunks(skip, until):
        skipped.append(skip)
        for rows in small.plan(1000).chunks(skip):
            if rows.target[0] > until:
                raise RuntimeError("pulled the plug")
            yield rows

    arguments = {"rows_per_shard": 300, "rows_per_chunk": 40, "columns": small.COLUMNS, "verbose": 0}
    arguments |= {"format": "tfrecord", "fingerprint": small.make(tmp_path / "s", "tfrecord").fingerprint}

    def run(until):
        write(url, {"train": SplitPlan(partial(chunks, until=until)), "valid": small.plan(25)}, **arguments)

    with pytest.raises(RuntimeError, match="plug"):
        run(700)
    with pytest.raises(IncompleteStore, match="repeat the call"):
        open_store(url)
    with pytest.raises(StoreMismatch, match="rows_per_chunk differs"):
        small.make(url, "tfrecord", rows_per_chunk=50)
    (Remote(url) / ".tmp-journal.jsonl").write_bytes(b"left by a killed process")
    run(1000)
    assert skipped == [0, 600]
    assert small.digests(Remote(url)) == small.digests(tmp_path / "s")


def test_damage_is_found_told_and_repaired(small, url):
    store = small.make(url, "tfrecord")
    before = small.digests(store.path)
    bad, gone = (store.path / store.manifest.splits["train"][i].file for i in (1, 3))
    raw = bytearray(bad.read_bytes())
    raw[len(raw) // 2] ^= 8
    bad.unlink()  # ram:// adds to a file that is there
    bad.write_bytes(bytes(raw))
    assert [problem.partition(":")[0] for problem in store.check()] == [bad.name]
    with pytest.raises(CorruptShard, match=f"{bad.name} of the store '{url}' is damaged"):
        batches(store)
    gone.unlink()
    with pytest.raises(CorruptShard, match=f"{gone.name}: cannot be found"):
        open_store(url)
    assert repair(store.path, {"train": small.plan(1000)}) == [bad.name, gone.name]
    assert small.digests(store.path) == before


def test_one_writer_at_a_time(small, url):
    Remote(url).mkdir()
    with locked(Remote(url)), pytest.raises(StoreLocked, match=rf"process {os.getpid()} on .*delete {url}/.lock"):
        small.make(url, "tfrecord")
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    with locked(Remote(url)):
        owner = (Remote(url) / ".lock").read_bytes().decode()
    assert not (Remote(url) / ".lock").exists()
    (Remote(url) / ".lock").write_bytes(owner.replace(str(os.getpid()), gone.stdout.strip()).encode())
    assert small.make(url, "tfrecord").check() == []


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_hdf5_is_read_but_not_written(small, tmp_path, url, compression):
    with pytest.raises(InvalidArgument, match="use format='tfrecord'"):
        small.make(url, "hdf5")
    local = small.make(tmp_path / "s", "hdf5", compression=compression)
    copied = Remote(url)
    copied.mkdir()
    for file in local.path.iterdir():
        (copied / file.name).upload(file)
    store = open_store(url)
    assert store.check() == []
    for ours, theirs in zip(batches(store), batches(local), strict=True):
        assert all(map(np.array_equal, ours, theirs))


@pytest.mark.parametrize("name", ["a b", "a#2", "a?x", "a%20"])
def test_a_url_of_a_local_file_is_a_path(small, tmp_path, name):
    store = small.make(tmp_path / name, "hdf5")
    assert open_store((tmp_path / name).as_uri()).path == store.path
    assert open_store(f"file://localhost{(tmp_path / name).as_uri()[7:]}").path == store.path


@pytest.mark.parametrize(
    "text", ["file://host/folder", "file:/folder", "ram:/a/b", Path("ram://a/b"), "ram://", "S3:/a"]
)
def test_what_is_nearly_a_url_is_refused(text):
    with pytest.raises(InvalidArgument, match=r"A URL is scheme://place/folder.*given as a string"):
        open_store(text)


def test_a_url_is_known_however_it_is_written(small, url):
    store = small.make(url, "tfrecord")
    assert small.digests(open_store(url.replace("ram://", "RAM://").replace("/store", "//store/")).path) == (
        small.digests(store.path)
    )


def test_what_cannot_be_reached_is_not_called_damaged_and_stays(small, url, monkeypatch):
    store = small.make(url, "tfrecord")
    before = small.digests(store.path)

    def down(*arguments):
        raise OSError(errno.EIO, "HTTP response code 503")

    real = Remote.open

    def down_but_for_sums(self, *arguments, **named):
        return real(self, *arguments, **named) if arguments else down()

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "stat", down)
        with pytest.raises(
            StoreError, match=r"cannot be read now \(HTTP response code 503\). Nothing is known"
        ) as caught:
            open_store(url)
        assert not isinstance(caught.value, CorruptShard)
        refused = r"(cannot be read now|writing the store .* failed) \(HTTP response code 503\)"
        with pytest.raises(StoreError, match=refused):
            small.make(url, "tfrecord", overwrite=True)
        with pytest.raises(StoreError, match=refused):
            repair(store.path, {"train": small.plan(1000), "valid": small.plan(25)})
        assert [problem.count("cannot be read now") for problem in store.check()] == [1]  # the manifest, which is first
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "open", down_but_for_sums)
        with pytest.raises(StoreError, match="cannot be read now") as caught:
            batches(store)
        assert not isinstance(caught.value, CorruptShard)
        with pytest.raises(StoreError) as caught:
            repair(store.path, {"train": small.plan(1000), "valid": small.plan(25)})
        assert str(caught.value).count("cannot be read now") == 1
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "read_bytes", down)
        with pytest.raises(StoreError, match="cannot be read now"):
            open_store(url)
        with pytest.raises(OSError, match="503"), locked(Remote(url)):
            pass
    left = small.digests(store.path)
    left.pop("journal.jsonl", None)  # of the write that was refused, which the same call takes up
    assert left == before


def test_a_writer_removes_its_own_lock_alone(url):
    Remote(url).mkdir()
    lock = Remote(url) / ".lock"
    with locked(Remote(url)):
        lock.unlink()
        lock.write_bytes(b'{"pid": 1, "host": "another"}')
    assert lock.read_bytes() == b'{"pid": 1, "host": "another"}'


def test_what_killed_writers_left_is_removed(small, url, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    names = {kind: f"blocks-{socket.gethostname()}-{pid}-x" for kind, pid in (("dead", int(gone.stdout)), ("live", 1))}
    names["strange"] = f"blocks-{socket.gethostname()}-mine-x"
    for name in names.values():
        (tmp_path / name).mkdir()
    small.make(url, "tfrecord")
    assert {path.name for path in tmp_path.iterdir()} == {names["live"], names["strange"]}


def test_an_unknown_scheme_is_told_with_those_that_are_known():
    with pytest.raises(InvalidArgument, match=r"has a file system: .*ram://.*Received: gopher://"):
        open_store("gopher://host/store")


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves parts of files, as web servers do and Python's own does not."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not asked:
            return super().do_GET()
        raw = Path(self.translate_path(self.path)).read_bytes()
        first, last = int(asked[1]), min(int(asked[2]), len(raw) - 1)
        self.send_response(206)
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(raw)}")
        self.end_headers()
        self.wfile.write(raw[first : last + 1])


@pytest.fixture
def served(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Ranges, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_store_on_a_web_server_is_read(small, tmp_path, served):
    pytest.importorskip("tensorflow_io", reason="needs the extra io")
    local = small.make(tmp_path / "s", "tfrecord", count=20_000, rows_per_shard=9000, rows_per_chunk=3000)
    store = open_store(f"{served}/s")
    assert store.check() == []
    for ours, theirs in zip(batches(store), batches(local), strict=True):
        assert all(map(np.array_equal, ours, theirs))
    given = {"count": 20_000, "rows_per_shard": 9000, "rows_per_chunk": 3000}
    assert small.make(f"{served}/s", "tfrecord", **given).reused
    assert repair(store.path, {}) == []
    with pytest.raises(StoreError, match="read-only; choose another path"):
        small.make(f"{served}/new", "tfrecord")
    with pytest.raises(StoreMismatch, match="is not a store"):
        open_store(f"{served}/none")
    shutil.copy(tmp_path / "s" / "train-00000.tfrecord", tmp_path / "s" / "train-00001.tfrecord")
    with pytest.raises(CorruptShard, match=r"checksum .* does not hold"):
        batches(store)


_ON_S3 = """
import sys
sys.path.insert(0, sys.argv[1])
import small_store as small
from blocks.errors import StoreMismatch
from blocks.store import open_store
from blocks.files.place import Remote

url = sys.argv[2]
store = small.make(url, "tfrecord", count=300, rows_per_shard=100)
assert store.check() == []
before = small.digests(store.path)
manifest = (Remote(url) / "manifest.json").read_bytes()
assert small.make(url, "tfrecord", count=300, rows_per_shard=100).reused
damaged = Remote(url) / "train-00001.tfrecord"
damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
assert [problem.partition(":")[0] for problem in store.check()] == ["train-00001.tfrecord"]
store.repair({"train": small.plan(300)}, planner=lambda plan, keys: plan)
assert small.digests(store.path) == before
rows = [int(i) for _, target, _ in open_store(url)["train"].stream(64).dataset() for i in target]
assert sorted(rows) == list(range(300)) != rows
assert "secret" not in str(store.path)
try:
    open_store(url.replace("some", "none"))
except StoreMismatch:
    print("whole", flush=True)
"""


def test_a_store_on_s3():
    server = pytest.importorskip("moto.server", reason="needs moto's S3 server, which make test-io installs")
    import urllib.request

    s3 = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    s3.start()
    try:
        host = "{}:{}".format(*s3.get_host_and_port())
        urllib.request.urlopen(urllib.request.Request(f"http://{host}/bucket", method="PUT")).close()
        url = f"s3://any:secret@bucket/some/store?scheme=http&endpoint_override={host}&region=us-east-1"
        done = subprocess.run(
            [sys.executable, "-c", _ON_S3, str(SCRIPT.parent), url], capture_output=True, text=True, timeout=300
        )
    finally:
        s3.stop()
    assert (done.returncode, done.stdout.split()) == (0, ["whole"]), done.stderr
