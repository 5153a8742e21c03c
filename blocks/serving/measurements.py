"""Measurements: what a server counts of itself, as Prometheus reads it."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


class Measurements:
    """The counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "blocks_requests", "Requests by model, version, method and HTTP status.",
            ["model", "version", "method", "status"], registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "blocks_request_seconds", "Seconds from a request's body to its answer.", ["model"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.rows = Counter("blocks_rows", "Rows answered.", ["model"], registry=registry)
        self.batch_rows = Histogram("blocks_batch_rows", "Rows that ran together.", buckets=_ROWS, registry=registry)
        self.batch_seconds = Histogram(
            "blocks_batch_seconds", "Seconds that a batch ran.", buckets=_SECONDS, registry=registry
        )
        self.queued_rows = Gauge("blocks_queued_rows", "Rows that wait to run.", registry=registry)
        self.log_rows = Counter(
            "blocks_log_rows", "Rows drawn for the prediction log, by what became of them.", ["model", "outcome"],
            registry=registry,
        )  # fmt: skip
        self.versions = Gauge(
            "blocks_version_loaded", "1 where the version serves.", ["model", "version"], registry=registry
        )
        self._children: dict[tuple[str, ...], Any] = {}

    def observe_batch(self, rows: int, requests: int, seconds: float) -> None:
        """A batch ran."""
        self.batch_rows.observe(rows)
        self.batch_seconds.observe(seconds)

    def observe_request(self, model: str, version: str, method: str, status: int, rows: int, seconds: float) -> None:
        """A request was answered, or refused."""
        key = (model, version, method, str(status))
        children = self._children.get(key)
        if children is None:
            children = (self.requests.labels(*key), self.rows.labels(model), self.seconds.labels(model))
            self._children[key] = children
        counted, of_rows, of_seconds = children
        counted.inc()
        if rows:
            of_rows.inc(rows)
        of_seconds.observe(seconds)

    def observe_logged(self, model: str, outcome: str, rows: int) -> None:
        """Rows of the prediction log were written, dropped, or failed to be written."""
        self.log_rows.labels(model, outcome).inc(rows)

    def rows_answered(self, model: str) -> int:
        """Rows that a model has answered."""
        return int(self._registry.get_sample_value("blocks_rows_total", {"model": model}) or 0)

    def text(self, unexpected: Iterable[tuple[str, str, str, int]] = ()) -> bytes:
        """All of them in Prometheus' text format.

        Args:
            unexpected: Model, column, kind and rows of values that training rows did not have.
        """
        registry = CollectorRegistry()
        rows = Gauge(
            "blocks_unexpected_rows", "Rows with values that training rows did not have, by the version that serves.",
            ["model", "column", "kind"], registry=registry,
        )  # fmt: skip
        for model, column, kind, count in unexpected:
            rows.labels(model, column, kind).inc(count)
        return bytes(generate_latest(self._registry) + generate_latest(registry))
