"""Claim: `blocks serve` answers at least half as many requests a second as the same stack that only echoes JSON.

    BLOCKS_PEERS=.venv-peers/bin/python python benchmarks/serving.py [CONNECTIONS] [REQUESTS]

A model of 20 columns (14 numbers, 6 texts), a row a request, 64 connections from a process of its own on loopback. The
peers run in turns with ours, each in a process of its own: an echo of the same JSON by starlette, uvloop and orjson,
FastAPI that calls the same SavedModel's signature for each request, and LitServe that batches its calls of `serve`.
Seconds and CPU seconds of the serving process; then one connection alone against the signature called in this process.

BLOCKS_PEERS names a Python that has tensorflow, fastapi and litserve, in an environment of its own; without it they are
left out. LitServe's batches hold as many rows as there are connections, and wait a millisecond at most.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from measure import publish

TURNS = 3
PEERS = {"fastapi": "FastAPI's with the signature", "litserve": "LitServe's with the signature, batched"}

ECHO = """
import sys, orjson, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
async def echo(request):
    return Response(orjson.dumps(orjson.loads(await request.body())), media_type="application/json")
app = Starlette(routes=[Route("/ask", echo, methods=["POST"])])
uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="error", access_log=False)
"""

FASTAPI = """
import sys, uvicorn, tensorflow as tf
from fastapi import FastAPI, Request
app, loaded = FastAPI(), tf.saved_model.load(sys.argv[2])
serve, texts = loaded.signatures["serve"], {"c%d" % i for i in range(6)}
@app.post("/ask")
def ask(body: dict):
    row = body["instances"][0]
    tensors = {k: tf.constant([v], tf.string if k in texts else tf.float64) for k, v in row.items()}
    found = serve(**tensors)
    plain = lambda v: [x.decode() for x in v.numpy()] if v.dtype == tf.string else v.numpy().tolist()
    return {k: plain(v) for k, v in found.items()}
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""

LITSERVE = """
import sys, litserve, tensorflow as tf
texts = {"c%d" % i for i in range(6)}
class Served(litserve.LitAPI):
    def setup(self, device):
        self.loaded = tf.saved_model.load(sys.argv[2])
        self.serve = self.loaded.signatures["serve"]
    def decode_request(self, request):
        return request["instances"][0]
    def batch(self, rows):
        return {k: tf.constant([row[k] for row in rows], tf.string if k in texts else tf.float64) for k in rows[0]}
    def predict(self, tensors):
        return {k: v.numpy().tolist() for k, v in self.serve(**tensors).items()}
    def unbatch(self, found):
        return [dict(zip(found, row)) for row in zip(*found.values())]
    def encode_response(self, found):
        return {k: v.decode() if isinstance(v, bytes) else v for k, v in found.items()}
if __name__ == "__main__":
    api = Served(max_batch_size=64, batch_timeout=0.001, api_path="/ask")
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="error", generate_client_file=False)
"""


def make_export(folder: Path) -> tuple[Path, Any]:
    """A small model of 20 columns: where it is exported, and itself."""
    import blocks
    from blocks import classifiers, feature_extractors, postprocessors, preprocessors

    random = np.random.default_rng(0)
    count = 4000
    rows: dict[str, Any] = {f"x{i}": random.normal(size=count) for i in range(14)}
    rows |= {f"c{i}": np.array([f"v{j}" for j in random.integers(0, 20, count)], object) for i in range(6)}
    rows["y"] = np.where(rows["x0"] + random.normal(size=count) > 0, "yes", "no")
    columns = {f"x{i}": preprocessors.Standardize() for i in range(14)}
    columns |= {f"c{i}": preprocessors.Vocabulary() for i in range(6)}
    model = blocks.Model(
        preprocessors.Columns(columns),
        feature_extractor=feature_extractors.MLP([64, 32]),
        head=classifiers.Softmax("y"),
        postprocessors=[postprocessors.Labels()],
        seed=0,
    )
    model.adapt(rows)
    model.fit(rows, epochs=1, verbose=0)
    model.export(folder / "1")
    return folder / "1", model


class Server:
    """A process that serves, until it is stopped."""

    def __init__(self, command: list[str], port: int, path: str) -> None:
        self.port, self.path = port, path
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 120
        while time.monotonic() < end and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                return
            except (
                urllib.error.HTTPError
            ) as error:  # it listens, and has no such path; LitServe's is 503 until it is up
                if error.code != 503:
                    return
                time.sleep(0.2)
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"{command[:4]} does not listen")

    def cpu(self) -> float:
        """CPU seconds so far of the process, and of those that it started."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            if int(fields[3]) == self._process.pid:  # of its session
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ask it to stop, and wait until it has; those that it started and left are killed."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def bodies() -> list[bytes]:
    random = np.random.default_rng(1)
    made = []
    for _ in range(50):
        row: dict[str, Any] = {f"x{i}": float(random.normal()) for i in range(14)}
        row |= {f"c{i}": f"v{random.integers(0, 20)}" for i in range(6)}
        made.append(json.dumps({"instances": [row]}).encode())
    return made


async def client(port: int, path: str, requests: int, taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = bodies()
    for number in range(requests):
        body = sent[number % len(sent)]
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        start = time.perf_counter()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        taken.append(time.perf_counter() - start)
    writer.close()


def load(port: int, path: str, connections: int, requests: int) -> None:
    """The load's own process: prints requests a second and the latencies' quantiles as JSON."""
    import uvloop

    async def run() -> dict[str, float]:
        await asyncio.gather(*(client(port, path, 10, []) for _ in range(connections)))
        taken: list[float] = []
        start = time.perf_counter()
        await asyncio.gather(*(client(port, path, requests, taken) for _ in range(connections)))
        rate = connections * requests / (time.perf_counter() - start)
        return {"rate": rate, "p50": float(np.quantile(taken, 0.5)), "p99": float(np.quantile(taken, 0.99))}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run())))


def measured(server: Server, connections: int, requests: int) -> dict[str, float]:
    before = server.cpu()
    command = [sys.executable, __file__, "load", str(server.port), server.path, str(connections), str(requests)]
    found = dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {**found, "cpu": (server.cpu() - before) / (connections * (requests + 10))}


def signature_seconds(export: Path) -> float:
    """One row through the packed signature in this process, as arrays in and out: the median."""
    import tensorflow as tf

    serve = tf.saved_model.load(str(export)).signatures["serve_packed"]
    numbers, strings = np.zeros((1, 14)), np.full((1, 6), "v1", object)
    taken = []
    for _ in range(500):
        start = time.perf_counter()
        found = serve(numbers=tf.constant(numbers), strings=tf.constant(strings))
        [value.numpy() for value in found.values()]
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def main() -> None:
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    requests = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    with tempfile.TemporaryDirectory() as folder:
        export, _ = make_export(Path(folder))
        ports = [free_port() for _ in range(4)]
        python, peers = sys.executable, os.environ.get("BLOCKS_PEERS")
        servers = {
            "ours": Server(
                [python, "-m", "blocks", "serve", str(export), "--name", "m", "--port", str(ports[0])],
                ports[0],
                "/v1/models/m:predict",
            ),
            "echo": Server([python, "-c", ECHO, str(ports[1])], ports[1], "/ask"),
        }
        if peers:
            servers["fastapi"] = Server([peers, "-c", FASTAPI, str(ports[2]), str(export)], ports[2], "/ask")
            program = Path(folder) / "served_by_litserve.py"  # its processes import it again
            program.write_text(LITSERVE)
            servers["litserve"] = Server([peers, str(program), str(ports[3]), str(export)], ports[3], "/ask")
        try:
            turns: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
            for _ in range(TURNS):
                for name, server in servers.items():
                    few = requests // 8 if name in PEERS else requests
                    turns[name].append(measured(server, connections, few))
            alone = measured(servers["ours"], 1, 500)
            metrics = urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}/metrics").read().decode()
        finally:
            for server in servers.values():
                server.stop()
        signature = signature_seconds(export)
    best = {name: max(found, key=lambda one: one["rate"]) for name, found in turns.items()}
    claims = [
        {
            "claim": f"requests a second at {connections} connections, over an echo's",
            "ours": f"{best['ours']['rate']:,.0f}",
            "theirs": f"{best['echo']['rate']:,.0f}",
            "ratio": best["ours"]["rate"] / best["echo"]["rate"],
            "target": ">= 0.5",
        },
        {
            "claim": "CPU seconds of the serving process a request, over an echo's",
            "ours": f"{best['ours']['cpu'] * 1e6:.0f} us",
            "theirs": f"{best['echo']['cpu'] * 1e6:.0f} us",
            "ratio": best["ours"]["cpu"] / best["echo"]["cpu"],
            "target": None,
        },
        {
            "claim": f"99th percentile of latency at {connections} connections, over 20 ms",
            "ours": f"{best['ours']['p99'] * 1e3:.1f} ms",
            "theirs": "20 ms",
            "ratio": best["ours"]["p99"] / 0.02,
            "target": "<= 1",
        },
        {
            "claim": "an idle request above the signature's own time, over 1.5 ms",
            "ours": f"{alone['p50'] * 1e3:.2f} ms",
            "theirs": f"{signature * 1e3:.2f} ms",
            "ratio": (alone["p50"] - signature) / 0.0015,
            "target": "<= 1",
        },
    ]
    claims += [
        {
            "claim": f"requests a second over {words}",
            "ours": f"{best['ours']['rate']:,.0f}",
            "theirs": f"{best[name]['rate']:,.0f}",
            "ratio": best["ours"]["rate"] / best[name]["rate"],
            "target": ">= 8",
        }
        for name, words in PEERS.items()
        if name in best
    ]
    claims += [
        {
            "claim": f"CPU seconds a request of all processes over {words}",
            "ours": f"{best['ours']['cpu'] * 1e6:,.0f} us",
            "theirs": f"{best[name]['cpu'] * 1e6:,.0f} us",
            "ratio": best["ours"]["cpu"] / best[name]["cpu"],
            "target": None,
        }
        for name, words in PEERS.items()
        if name in best
    ]
    batches = {
        line.split()[0]: float(line.split()[1])
        for line in metrics.splitlines()
        if line.startswith("blocks_batch_rows_")
    }
    publish("serving", claims, {"turns": turns, "idle": alone, "signature": signature, "batches": batches})


if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        load(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
