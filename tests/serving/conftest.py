"""One model of every kind of raw column, exported once; a client that speaks ASGI in this process."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors

ROWS = 240


def mixed_rows(rows=ROWS, seed=0):
    random = np.random.default_rng(seed)
    age = random.normal(40, 10, rows)
    return pa.table(
        {
            "age": pa.array([None if i % 9 == 0 else v for i, v in enumerate(age)]),
            "height": pa.array(random.normal(1.7, 0.1, rows), pa.float32()),
            "member": pa.array(random.random(rows) < 0.5),
            "shop id": pa.array(random.integers(2**60, 2**60 + 5, rows)),
            "city": pa.array(random.choice(["Rome", "Oslo", "Łódź", "a\nb"], rows)),
            "at": pa.array(
                [datetime(2024, 1, 1 + i % 28, i % 24, tzinfo=UTC) for i in range(rows)], pa.timestamp("us", "UTC")
            ),
            "label": np.where(age > 40, "yes", "no"),
        }
    )


@pytest.fixture(scope="session")
def mixed_model():
    columns = {
        "age": preprocessors.Standardize(add_indicator=True),
        "height": preprocessors.Standardize(),
        "member": preprocessors.Standardize(),
        "shop id": preprocessors.Vocabulary(),
        "city": preprocessors.Vocabulary(),
        "at": preprocessors.Cyclical("hour"),
    }
    model = blocks.Model(
        preprocessors.Columns(columns),
        feature_extractor=feature_extractors.MLP([8]),
        head=classifiers.Softmax("label"),
        postprocessors=[postprocessors.Labels()],
        seed=0,
    )
    model.adapt(mixed_rows())
    model.fit(mixed_rows(), epochs=2, verbose=0)
    return model


@pytest.fixture(scope="session")
def mixed_export(mixed_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "income" / "1"
    mixed_model.export(path)
    return path


def as_json(row):
    """A row as a client would write it."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


@pytest.fixture(scope="session")
def json_rows():
    return [as_json(row) for row in mixed_rows().drop_columns(["label"]).to_pylist()]


async def request(application, method, path, body=b"", headers=()):
    """Status, headers and body that an ASGI application answers."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    sent = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "headers": list(headers),
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await application(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body


@pytest.fixture
def ask():
    """Ask an application: status and what its JSON says."""

    def once(application, method, path, body=b"", headers=()):
        status, _, answer = asyncio.run(request(application, method, path, body, headers))
        return status, json.loads(answer)

    return once


@pytest.fixture(scope="session")
def mixed_app(mixed_export):
    application = blocks.serving.app({"income": mixed_export.parent})
    yield application
    application.server.stop()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Served:
    """`blocks serve` in a process of its own."""

    def __init__(self, *words, environment=(), folder=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "blocks", "serve", *map(str, words), "--port", str(self.port)]
        self._environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **dict(environment)}
        self._folder = folder
        self.start()

    def start(self):
        """Also after it was stopped or killed."""
        self.process = subprocess.Popen(
            self._command, env=self._environment, cwd=self._folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.get("/health/ready")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(self.stop().decode()[-2000:])

    def get(self, path, body=None, headers=()):
        asked = urllib.request.Request(self.url + path, body, dict(headers))
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def kill(self):
        self.process.kill()
        self.process.communicate(timeout=60)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.communicate(timeout=60)[1]


class Transport(SimpleNamespace):
    """Of a socket, what a connection asks for."""

    closed, sent = False, b""

    def get_extra_info(self, name):
        return None

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True

    def write(self, data):
        self.sent += data

    def pause_reading(self):
        pass

    resume_reading = pause_reading


def connection_of(kind, application=None):
    """A connection of uvicorn's, without a socket."""
    import uvicorn
    from uvicorn.server import ServerState

    application = application or (lambda scope, receive, send: None)
    config = uvicorn.Config(application, lifespan="off", log_config=None, ws="none", proxy_headers=False)
    config.load()
    transport = Transport()
    transport.protocol = kind(config, ServerState(), {}, asyncio.get_running_loop())
    transport.protocol.connection_made(transport)
    return transport
