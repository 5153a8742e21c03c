"""Recording: what is trained in a block of a program is written into a folder of its own, as it happens."""

import os
import secrets as random_names
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from blocks.arguments import checked
from blocks.errors import InvalidArgument, warn
from blocks.files.durable import write_bytes, write_text
from blocks.files.write_errors import explained
from blocks.runs import run_record
from blocks.runs.code_capture import capture
from blocks.runs.entry import checked_entry, entry_of_process, folder_of_code
from blocks.runs.environment import environment, threads
from blocks.runs.events import NAME as EVENTS
from blocks.runs.events import EventLog, as_json
from blocks.runs.input_files import FileDigests, digest_of
from blocks.runs.kept_files import keep
from blocks.runs.process_identity import this_process
from blocks.runs.recorded_steps import RecordedSteps
from blocks.runs.resumed import copy_position, resume_callback
from blocks.runs.secret_values import Secrets
from blocks.store.manifest import canonical
from blocks.training.observers import observed_by

INTO = "BLOCKS_RUNS_INTO"
"""An environment variable: the folder that runs are recorded into, whatever the program says. `reproduce` sets it."""

_MOST_TEXT = 20_000
_ordinal = 0


@checked()
def record(
    folder: str | os.PathLike[str],
    config: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    entry: str | Sequence[str] | None = None,
    parent: str | None = None,
    resumes: str | None = None,
) -> "Recording":
    """Record what is trained in a block: `with blocks.runs.record("runs", config=config) as run:`.

    A folder of its own holds `run.json` (configuration, versions, processor, threads, seeds; fingerprints of data,
    splits, preprocessor, store, weights), `events.jsonl` (metrics and progress as they come) and `code.patch` (what
    leads from the commit to the code, for `git apply`). Killed at any moment it is readable, and reads as killed.

    Args:
        folder: Of all runs; made where there is none.
        config: The configuration as resolved, of JSON's values. `config["secrets"]` names environment variables whose
            values are written nowhere, nor are passwords in URIs.
        name: What people call it.
        entry: How the same is begun again: "module:function", or the words after `python`; those of this process unless
            given. A function is called with the configuration, if it takes an argument.
        parent: The id of a run that this one stands on: whose model it goes on with, say.
        resumes: The id of a run in the folder, killed or failed, that this one goes on with: `run.resume()` then begins
            where that one's was.

    Returns:
        A context manager that gives itself.

    Raises:
        InvalidArgument: A run that is named is not there, or goes on; the entry is none; a secret is too short.
        WriteError: The operating system keeps the folder from being written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with record(folder, {"epochs": 3}) as run:
        ...         run.log({"loss": 0.5})
        ...     found = run_record.open_run(run.folder)
        ...     found.state, found.content["configuration"], found.metrics
        ('finished', {'epochs': 3}, {'loss': 0.5})
    """
    return Recording(folder, config, name=name, entry=entry, parent=parent, resumes=resumes)


class Recording(AbstractContextManager["Recording"]):
    """A run while it is recorded; `record` makes it.

    Attributes:
        id: Of this run.
        folder: Of this run.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        config: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        entry: str | Sequence[str] | None = None,
        parent: str | None = None,
        resumes: str | None = None,
    ) -> None:
        if config is not None and not isinstance(config, Mapping):
            raise InvalidArgument(f"A configuration is a dict. Received: {type(config).__name__}.")
        self.runs = Path(os.environ.get(INTO) or folder).absolute()
        for one in (parent, resumes):
            if one is not None and INTO not in os.environ:
                run_record.find_run(self.runs, one)
        self._resumes = None if resumes is None or INTO in os.environ else run_record.find_run(self.runs, resumes)
        if self._resumes is not None and self._resumes.state == "running":
            raise InvalidArgument(f"The run {resumes} goes on: wait for it, or stop it, before another resumes it.")
        self._config, self._name, self._entry = config, name, None if entry is None else checked_entry(entry)
        self._parent = None if parent is None else parent
        self._secrets = Secrets((config or {}).get("secrets") or ())
        self._process = this_process()
        self.id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{random_names.token_hex(3)}"
        self.folder = self.runs / self.id
        self._log: EventLog | None = None
        self._broken = False
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        global _ordinal
        _ordinal += 1
        self._start = time.monotonic()
        code = capture(folder_of_code(), self._secrets, [self.runs])
        root, here = Path(code.about["root"]), Path.cwd()
        self._content: dict[str, Any] = {
            "version": run_record.VERSION,
            "id": self.id,
            "name": self._name,
            "begun": _now(),
            "ordinal": _ordinal,
            "process": self._process,
            "entry": self._entry or entry_of_process(root),
            "folder": str(here.relative_to(root)) if here.is_relative_to(root) else str(here),
            "parent": self._parent,
            "resumed_from": None if self._resumes is None else self._resumes.id,
            "configuration": None if self._config is None else as_json(dict(self._config)),
            "environment": environment(),
            "code": code.about,
            "ended": None,
            "outcome": None,
            "error": None,
            "gathered": None,
        }
        with explained(self.folder):
            self.runs.mkdir(parents=True, exist_ok=True)
            if not (self.runs / ".gitignore").exists():  # records are no code
                write_text(self.runs / ".gitignore", "*\n")
            self.folder.mkdir()
            write_bytes(self.folder / run_record.PATCH, code.patch)
            if self._resumes is not None:
                copy_position(self._resumes.folder, self.folder)
            self._log = EventLog(self.folder / EVENTS)
            self._write()
        steps = RecordedSteps(self._say, FileDigests(self.runs / ".digests.json"))
        self._steps = steps
        self._stack.enter_context(observed_by(steps))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)

    def log(self, metrics: Any) -> None:
        """Note metrics: the last value of each is the run's.

        Args:
            metrics: A dict of numbers; or the table of `blocks.evaluate.metrics`, with its intervals.
        """
        self._say("metrics", metrics=metric_values(metrics))

    def stage(self, name: str, fingerprint: str, **facts: Any) -> None:
        """Note what a stage came to; `reproduce` compares stages in their order.

        Args:
            name: Of the stage: "data", "weights", ...
            fingerprint: Equal where the stage came to the same.
            facts: More to be read, which is not compared.
        """
        self._say("stage", name=str(name), fingerprint=str(fingerprint), facts=facts)

    def keep(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Keep a file or a folder, by content, for `restore`. Models that are saved meanwhile are kept without it.

        Args:
            path: The file or folder.
            name: What the run calls it; its own name unless given.
        """
        given = Path(path)
        if not given.exists():
            raise InvalidArgument(f"What is kept is a file or a folder. Received: '{given}', which is not there.")
        self._say("artefact", name=name or given.name, artefact=keep(given, self.runs))

    def resume(self, every: int = 1000) -> Any:
        """A `blocks.Resume` for `fit` that saves into this run, and begins where the run did that this one resumes.

        Args:
            every: Steps between two savings.
        """
        return resume_callback(self.folder, every)

    def tensorboard(self) -> Any:
        """A callback for `fit` that writes each epoch's metrics into this run, as TensorBoard reads them."""
        return import_module("blocks.runs.tensorboard_callback").TensorBoard(self.folder / "tensorboard")

    def mlflow(self, tracking_uri: str, experiment: str = "blocks") -> Any:
        """A callback for `fit` that logs to MLflow too; it needs `pip install 'ml-blocks[mlflow]'`.

        Args:
            tracking_uri: "sqlite:///mlflow.db", or a server's.
            experiment: Its name there.
        """
        return import_module("blocks.runs.mlflow_callback").MLflow(self, tracking_uri, experiment)

    def about(self) -> dict[str, Any]:
        """What the record says of the run so far, without secrets: see `run.schema.json`."""
        return dict(self._secrets.scrubbed(self._content))

    def finish(self) -> None:
        """End the run before the block does; a second call does nothing."""
        self._end(None)

    def _say(self, event: str, **facts: Any) -> None:
        if self._log is None or self._broken or os.getpid() != self._process["pid"]:  # a fork records nothing
            return
        at = round(time.monotonic() - self._start, 3)
        try:
            self._log.append(self._secrets.scrubbed(as_json({"at": at, "event": event, **facts})))
        except OSError as error:
            self._broken = True  # training is worth more than its record
            warn(f"The run {self.id} is recorded no further: {error}. What is trained goes on.")

    def _end(self, error: BaseException | None) -> None:
        if self._log is None or os.getpid() != self._process["pid"]:
            return
        self._stack.close()
        try:
            for path, called in self._steps.saved.items():
                if path.exists():
                    self.keep(path, called)
            outcome = _outcome(error)
            self._say("end", outcome=outcome)
        except OSError as failed:
            warn(f"The run {self.id} keeps not all of its artefacts: {failed}.")
            outcome = _outcome(error)
        self._log.close()
        self._log = None
        gathered = run_record.Run(self.folder, self._content | {"gathered": None}).gathered
        if gathered["metrics"]:
            values = {name: one["value"] for name, one in gathered["metrics"].items()}
            gathered["stages"].append({"name": "metrics", "fingerprint": digest_of(values), "facts": {}})
        self._content["environment"]["threads"] = threads()  # which a program may set until the first step
        self._content |= {"ended": _now(), "outcome": outcome, "error": _told(error), "gathered": gathered}
        try:
            self._write()
        except OSError as failed:
            warn(f"The end of the run {self.id} is not recorded: {failed}.")

    def _write(self) -> None:
        write_text(self.folder / run_record.NAME, canonical(self.about()))


def metric_values(given: Any) -> dict[str, dict[str, Any]]:
    """Metrics by name, with interval and rows where they are known.

    Example:
        >>> metric_values({"loss": 0.5})
        {'loss': {'value': 0.5}}
    """
    if hasattr(given, "to_pylist"):
        lines = given.to_pylist()
        named = {}
        for line in lines:
            group = line.get("group")
            name = line["metric"] if group in (None, "", "all") else f"{line['metric']} [{group}]"
            named[name] = {key: as_json(line[key]) for key in ("value", "low", "high", "rows") if key in line}
        return named
    if not isinstance(given, Mapping):
        raise InvalidArgument(f"Metrics are a dict of numbers, or an Arrow table. Received: {type(given).__name__}.")
    try:
        return {str(name): {"value": as_json(float(value))} for name, value in given.items()}
    except (TypeError, ValueError):
        raise InvalidArgument(f"A metric is a number. Received: {dict(given)!r}.") from None


def _outcome(error: BaseException | None) -> str:
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "finished"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


def _told(error: BaseException | None) -> dict[str, str] | None:
    if error is None or _outcome(error) == "finished":
        return None
    text = "".join(traceback.format_exception(error))
    return {"type": type(error).__name__, "message": str(error)[:_MOST_TEXT], "traceback": text[-_MOST_TEXT:]}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
