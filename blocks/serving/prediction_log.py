"""The prediction log: a sample of what was asked and answered, as Parquet files that `drift` and `evaluate` read.

Requests do not wait for it: what is sampled is held in bounded memory, and one thread of its own makes files of it.
Where that memory is full, rows are dropped and counted. A file appears whole; the oldest go, so that all of them stay
within bounds. What is held is written when the server stops; a server that is killed loses it.
"""

import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from blocks.arguments import check_whole_number
from blocks.errors import InvalidArgument
from blocks.files.durable import TEMPORARY, whole_file
from blocks.serving.batcher import Result
from blocks.serving.logged_rows import BESIDE, LoggedRows, logged_table
from blocks.serving.servable import Servable

log = logging.getLogger("blocks.serving")

_PREFIX: Final = "predictions-"
_ABANDONED_SECONDS: Final = 3600.0
"""A file takes seconds to write; what is still aside after so long is of a server that was killed."""


@dataclass(frozen=True)
class PredictionLog:
    """What a server keeps of requests and answers, where its operator asks for it. Guard the folder: it holds rows.

    A row of a file holds the keys as text, the model's columns as they entered it, its answers as in a prediction
    table, `model`, `version` and `time` (UTC, when it was answered). Files lie in FOLDER/MODEL/VERSION.

    Args:
        folder: Made if it is not there, for its owner alone.
        share: Of the rows, above 0 and at most 1; each row is drawn by itself.
        keys: What requests may carry beside the model's columns, to know rows by: text or whole numbers.
        file_rows: Of a file at most, but for a request's own.
        file_seconds: After so long what is held is written.
        max_bytes: Of all files together; the oldest go.
        memory_bytes: Of rows that are held; beyond it rows are dropped, and counted in `/metrics`.

    Raises:
        InvalidArgument: An argument is out of range, or a key has the name of a column that is written anyway.

    Example:
        >>> PredictionLog("log", share=0)
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: share is a number above 0 and at most 1. Received: 0.
    """

    folder: str | os.PathLike[str]
    share: float = 0.01
    keys: Sequence[str] = ()
    file_rows: int = 65_536
    file_seconds: float = 600.0
    max_bytes: int = 1 << 30
    memory_bytes: int = 64 << 20

    def __post_init__(self) -> None:
        for name in ("file_rows", "max_bytes", "memory_bytes"):
            check_whole_number(name, getattr(self, name), 1)
        if not 0 < self.share <= 1:
            raise InvalidArgument(f"share is a number above 0 and at most 1. Received: {self.share!r}.")
        if not 0 < self.file_seconds < math.inf:
            raise InvalidArgument(f"file_seconds is a number above 0. Received: {self.file_seconds!r}.")
        if isinstance(self.keys, str) or any(not isinstance(key, str) or not key for key in self.keys):
            raise InvalidArgument(f"keys is a list of names. Received: {self.keys!r}.")
        if len(set(self.keys)) != len(self.keys) or set(self.keys) & set(BESIDE):
            raise InvalidArgument(
                f"keys are distinct, and none is {', '.join(BESIDE)}, which are written anyway. "
                f"Received: {self.keys!r}."
            )


class LogWriter:
    """What holds the sampled rows, and the thread that writes them, which starts with the first.

    Args:
        options: Where, how many, and how much.
        count: Called with a model, "written", "dropped" or "failed", and the rows.

    Raises:
        InvalidArgument: The folder cannot be made or written to.
    """

    def __init__(self, options: PredictionLog, count: Callable[[str, str, int], None]) -> None:
        self._options, self._count = options, count
        self._folder = Path(options.folder)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidArgument(f"Predictions are logged in a folder. Received: {str(self._folder)!r}.") from error
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise InvalidArgument(f"The log's folder may not be written to: {str(self._folder)!r}. Change its mode.")
        self._random = np.random.default_rng()
        self._held: list[LoggedRows] = []
        self._rows = self._bytes = self._writing = 0
        self._oldest = math.inf
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._files = 0

    def offer(
        self,
        servable: Servable,
        inputs: Mapping[str, np.ndarray],
        keys: Mapping[str, Sequence[str | None]],
        result: Result,
        rows: int,
    ) -> None:
        """Keep a sample of a request's rows.

        Args:
            servable: What answered.
            inputs: The packed rows.
            keys: Of each row.
            result: The answers.
            rows: How many.
        """
        with self._changed:
            if self._options.share < 1:
                chosen = np.flatnonzero(self._random.random(rows) < self._options.share)
                if not len(chosen):
                    return
            else:
                chosen = np.arange(rows)
            kept = LoggedRows.of(servable, chosen, inputs, keys, result.answers)
            if self._closing or self._bytes + self._writing + kept.size > self._options.memory_bytes:
                self._count(servable.model, "dropped", kept.rows)
                return
            if not self._held:
                self._oldest = time.monotonic()
            self._held.append(kept)
            self._rows += kept.rows
            self._bytes += kept.size
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name="blocks-prediction-log", daemon=True)
                self._thread.start()
            elif len(self._held) == 1 or self._is_full:
                self._changed.notify()

    @property
    def _is_full(self) -> bool:
        return self._rows >= self._options.file_rows or self._bytes * 2 >= self._options.memory_bytes

    def close(self) -> None:
        """Write what is held; from now on rows are dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _write_all(self) -> None:
        while held := self._take():
            by_version: dict[int, list[LoggedRows]] = {}
            for one in held:
                by_version.setdefault(id(one.servable), []).append(one)
            for of_version in by_version.values():
                self._write(of_version)
            with self._changed:
                self._writing = 0

    def _take(self) -> list[LoggedRows]:
        """What is held, when it is time to write it; nothing at the end."""
        with self._changed:
            while not (self._closing or (self._held and self._is_full)):
                left = self._oldest + self._options.file_seconds - time.monotonic() if self._held else None
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            held, self._held = self._held, []
            self._writing, self._bytes, self._rows = self._bytes, 0, 0  # in memory still
        return held

    def _write(self, held: Sequence[LoggedRows]) -> None:
        servable, rows = held[0].servable, sum(one.rows for one in held)
        try:
            folder = self._folder / servable.model / str(servable.version)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._files += 1
            now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            with whole_file(folder / f"{_PREFIX}{now}-{os.getpid()}-{self._files}.parquet") as file:
                file.chmod(0o600)
                pq.write_table(logged_table(held, self._options.keys), file, compression="zstd")
        except Exception as error:  # no request is hurt by a full disk
            self._count(servable.model, "failed", rows)
            facts = {"model": servable.model, "rows": rows, "error": type(error).__name__}
            log.error("predictions not logged", extra={"facts": facts})
        else:
            self._count(servable.model, "written", rows)
        with contextlib.suppress(OSError):
            self._trim()

    def _trim(self) -> None:
        """Remove the oldest files until all are within bounds, and what killed servers left."""
        for file in self._folder.glob(f"*/*/{TEMPORARY}{_PREFIX}*"):
            with contextlib.suppress(OSError):
                if file.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    file.unlink()
        files = sorted(self._folder.glob(f"*/*/{_PREFIX}*.parquet"), key=lambda file: file.name)
        sizes = {}
        for file in files:
            with contextlib.suppress(OSError):  # another server has trimmed it
                sizes[file] = file.stat().st_size
        total = sum(sizes.values())
        for file, size in sizes.items():
            if total <= self._options.max_bytes:
                break
            file.unlink(missing_ok=True)
            total -= size
