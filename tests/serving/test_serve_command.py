"""`blocks serve` as a process: under load, while versions change, when it is stopped, and with real clients."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.serving.conftest import Served, mixed_rows

CLIENT = Path(__file__).with_name("triton_client.py")
REQUESTS = int(os.environ.get("BLOCKS_REQUESTS", "0"))
KILLS = int(os.environ.get("BLOCKS_SERVER_KILLS", "0"))


def heavy(name, *values):
    """Values of a proof, which runs where the environment says how much of it."""
    reason = f"{name} does not say how many, as make proof does"
    return pytest.param(*values, marks=[pytest.mark.proof, pytest.mark.skipif(name not in os.environ, reason=reason)])


@pytest.fixture(scope="module")
def versions(mixed_export, tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions") / "income"
    shutil.copytree(mixed_export, folder / "1")
    return folder


@pytest.fixture(scope="module")
def log_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def served(versions, log_folder):
    log = ("--log", log_folder, "--log-share", "1", "--log-keys", "id")
    server = Served(versions, "--name", "income", "--drain", 5, *log)
    yield server
    server.stop()


def predict(server, rows):
    status, answer = server.get("/v1/models/income:predict", json.dumps({"instances": rows}).encode())
    return status, json.loads(answer)


@pytest.fixture(scope="module")
def alone(served, json_rows):
    """The answer of each row, asked for by itself."""
    return [predict(served, [row])[1]["predictions"][0] for row in json_rows]


class Client:
    """A connection of its own, which asks for rows and holds each answer against that of the row alone."""

    def __init__(self, server, rows, alone):
        self._port, self._rows, self._alone = server.port, rows, alone
        self._connection = None

    def ask(self, which, count=1):
        """How many rows were answered, each as it is alone; what breaks the connection is raised."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        chosen = [(which + k) % len(self._rows) for k in range(count)]
        body = json.dumps({"instances": [self._rows[k] for k in chosen]})
        try:
            self._connection.request("POST", "/v1/models/income:predict", body)
            answer = self._connection.getresponse()
            status, text = answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        assert status == 200, text
        found = json.loads(text)["predictions"]
        assert len(found) == count
        for one, k in zip(found, chosen, strict=True):
            expected = self._alone[k]
            assert one["label"] == expected["label"]
            pairs = zip(one["probabilities"], expected["probabilities"], strict=True)
            assert max(abs(a - b) for a, b in pairs) <= 1e-6
        return count

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def test_rows_alone_are_answered_as_the_model_does(mixed_model, alone):
    own = mixed_model.predict(mixed_rows())
    np.testing.assert_allclose([row["probabilities"] for row in alone], own["probabilities"], atol=1e-6)
    assert [row["label"] for row in alone] == list(own["label"])
    assert len({tuple(row["probabilities"]) for row in alone}) > len(alone) // 2  # another's answer is a wrong one


@pytest.mark.parametrize(("clients", "requests"), [(16, 400), heavy("BLOCKS_REQUESTS", 64, REQUESTS)])
def test_many_clients_get_their_own_answers(served, json_rows, alone, clients, requests):
    def client(number):
        one = Client(served, json_rows, alone)
        rows = sum(one.ask(number * 31 + k * 7, 1 + (number + k) % 3) for k in range(-(-requests // clients)))
        one.close()
        return rows

    with ThreadPoolExecutor(clients) as pool:
        assert sum(pool.map(client, range(clients))) >= requests
    metrics = served.get("/metrics")[1].decode()
    assert 'blocks_requests_total{method="predict",model="income",status="200",version="1"}' in metrics


def test_hostile_connections_leave_others_unharmed(served, json_rows, alone):
    def raw(data):
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as one:
            one.sendall(data)
            one.settimeout(1)
            try:
                return one.recv(4096)
            except TimeoutError:
                return b""

    head = b"POST /v1/models/income:predict HTTP/1.1\r\nHost: x\r\nContent-Length: "
    assert raw(b"\x16\x03\x01 no http\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert raw(head + b"1000\r\n\r\n{") == b""  # a slow client, closed in the middle
    assert raw(head + b"-5\r\n\r\n{").startswith(b"HTTP/1.1 400")
    assert b" 413 " in raw(head + b"40000000\r\n\r\n" + b" " * 33_600_000)
    assert predict(served, json_rows[:1]) == (200, {"predictions": alone[:1]})


@pytest.mark.skipif("BLOCKS_TRITON" not in os.environ, reason="BLOCKS_TRITON names no Python that has tritonclient")
def test_tritonclient(served, mixed_model, alone):
    from blocks.inference.graph import raw_tensors

    tensors = raw_tensors(mixed_rows(), mixed_model.preprocessor)
    columns = {
        name: [
            value.decode() if isinstance(value, bytes) else None if value != value else value
            for value in tensor.numpy()[:20].tolist()
        ]
        for name, tensor in tensors.items()
    }
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [os.environ["BLOCKS_TRITON"], str(CLIENT), f"127.0.0.1:{served.port}", json.dumps(columns)]
    found = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120).stdout)
    assert "Servable not found" in found.pop("error")
    assert found.pop("metadata")["platform"] == "tensorflow_savedmodel"
    assert found.pop("config")["name"] == "income"
    assert found.pop("index")[0]["state"] == "READY"
    assert found.pop("statistics")["model_stats"][0]["name"] == "income"
    assert len(found) == 6
    for answer in found.values():
        np.testing.assert_allclose(answer["probabilities"], [row["probabilities"] for row in alone[:20]], atol=1e-6)
        assert answer["label"] == [row["label"] for row in alone[:20]]


def test_a_new_version_under_load_fails_no_request(served, versions, json_rows, alone):
    stopped, answered = threading.Event(), []

    def client(number):
        one = Client(served, json_rows, alone)
        while not stopped.is_set():
            answered.append(one.ask(number + len(answered)))
        one.close()

    def wait_for(version):
        end = time.monotonic() + 120
        while served.get(f"/v1/models/income/versions/{version}")[0] != 200:
            assert time.monotonic() < end
            time.sleep(0.2)

    pool = ThreadPoolExecutor(4)
    clients = [pool.submit(client, number) for number in range(4)]
    try:
        whole = versions.parent / "aside"
        shutil.copytree(versions / "1", whole)
        whole.rename(versions / "2")
        wait_for(2)
        shutil.rmtree(versions / "2")  # back to the one before
        wait_for(1)
    finally:
        stopped.set()
        pool.shutdown()
    for one in clients:
        one.result()  # what is not answered by 200, or not as the row alone, is raised here
    assert len(answered) > 4


@pytest.mark.parametrize("kills", [1, heavy("BLOCKS_SERVER_KILLS", KILLS)])
def test_a_killed_server_resets_and_refuses_and_gives_no_wrong_answer(served, json_rows, alone, kills):
    stopped = threading.Event()

    def client(number):
        one, right, broken = Client(served, json_rows, alone), [0] * (kills + 1), 0
        while not stopped.is_set():
            life = lives[0]
            try:
                one.ask(number * 31 + sum(right) * 7, 1 + number % 3)
            except (ConnectionError, http.client.RemoteDisconnected, http.client.IncompleteRead):
                broken += 1
                time.sleep(0.02)
            else:
                right[life] += 1
        one.close()
        return right, broken

    lives = [0]
    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(client, number) for number in range(8)]
        try:
            for _ in range(kills):
                time.sleep(0.3)
                served.kill()
                lives[0] += 1
                served.start()
            time.sleep(0.3)
        finally:
            stopped.set()
        found = [one.result() for one in clients]  # a wrong answer, or another status than 200, is raised here
    assert all(sum(right[life] for right, _ in found) for life in range(kills + 1))
    assert all(broken for _, broken in found)


def test_sigterm_under_load_answers_and_logs_all_that_it_accepted(served, json_rows, log_folder):
    server = served
    body = json.dumps({"instances": [{**row, "id": "last"} for row in json_rows[:3]]}).encode()
    head = b"POST /v1/models/income:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    outcomes = []

    def client():
        while True:
            try:
                with socket.create_connection(("127.0.0.1", server.port), timeout=30) as one:
                    one.sendall(head + body)
                    answer = b""
                    while part := one.recv(65_536):
                        answer += part
                        if b"\r\n\r\n" in answer and b"]}" in answer:
                            break
            except (ConnectionRefusedError, ConnectionResetError):
                return  # it takes no more
            outcomes.append(answer[:15])
            if not answer:
                return  # taken by the kernel alone: closed before a byte was read

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    ready = server.get("/health/ready")[0]
    for thread in threads:
        thread.join()
    assert server.process.wait(60) == 0
    said = [json.loads(line) for line in server.process.communicate()[1].decode().splitlines() if line[:1] == "{"]
    assert [one["event"] for one in said][:2] == ["version loaded", "listening"]
    assert not any("Rome" in str(one) for one in said)  # no value of a row
    assert ready == 503
    assert len(outcomes) > 8
    assert {one for one in outcomes if one} == {b"HTTP/1.1 200 OK"}
    assert outcomes.count(b"") <= 8
    log = pa.concat_tables(map(pq.read_table, log_folder.rglob("*.parquet")))
    assert log["id"].to_pylist().count("last") == 3 * outcomes.count(b"HTTP/1.1 200 OK")


def test_the_programs_of_the_design(mixed_export, tmp_path, monkeypatch):
    """Word for word: an export in a folder of versions, served and asked for a file of rows."""
    import blocks
    from blocks.cli.main import main

    monkeypatch.chdir(tmp_path)
    Path("export").symlink_to(mixed_export.parent)
    app = blocks.serving.app({"income": "export"})
    assert list(app.server.models["income"].versions) == [1]
    app.server.stop()
    rows = mixed_rows().drop_columns(["label"]).append_column("id", pa.array(range(len(mixed_rows()))))
    pq.write_table(rows, "new.parquet")
    assert main(["predict", "export/1", "new.parquet", "answers.parquet", "--keys", "id"]) == 0
    assert pq.read_table("answers.parquet")["id"].to_pylist() == list(range(len(rows)))


def test_words_that_name_no_model(tmp_path, capsys):
    from blocks.cli.main import main

    assert main(["serve", "a=b", "c"]) == 2
    assert main(["serve", "a", "b"]) == 2
    assert main(["serve", "a=b", "a=c"]) == 2
    assert main(["serve", str(tmp_path)]) == 1
    assert "Name the folder that model.export wrote" in capsys.readouterr().err
