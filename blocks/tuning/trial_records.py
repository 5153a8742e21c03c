"""The state of a search: what each trial was, and what came of it at each rung, in an SQLite file of Optuna's.

Settings and records lie there as JSON and numbers; Optuna's own tools read the file. A search that was killed goes on
by reading it.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from blocks.errors import InvalidArgument
from blocks.tuning.search_space import Space, as_drawn, as_given, draw

FILE = "trials.db"
STUDY = "blocks"
STARTUP = 10
"""Trials that are drawn at random before any are drawn by what is known: TPE needs more than these to say anything."""


@dataclass(frozen=True)
class Record:
    """What came of a trial at one rung.

    Args:
        rows: It was trained on.
        epochs: Passes over them.
        seconds: All of it took.
        loss: On the validation rows; None where it failed.
        error: Why it failed, or None.
        over: Whether time ran out meanwhile.
        weights: Name of the file of its weights, or None.
    """

    rows: int
    epochs: int
    seconds: float
    loss: float | None = None
    error: str | None = None
    over: bool = False
    weights: str | None = None


def optuna() -> Any:
    """The library, or what to install.

    Raises:
        InvalidArgument: It is not there.
    """
    try:
        import optuna as found
    except ImportError as error:
        raise InvalidArgument(
            f"blocks.tune draws settings by Optuna. Received: an environment without it ({error}). "
            "pip install 'ml-blocks[tune]'."
        ) from error
    return found


class TrialRecords:
    """Settings of trials, and records of them by rung. `opened` makes it.

    Args:
        study: Optuna's.
        space: What settings are drawn from.
        seed: Decides what is drawn, with what is known by then.
        default: The settings of trial 0, a point of the space.
    """

    def __init__(self, study: Any, space: Space, seed: int, default: Mapping[str, Any]) -> None:
        self._study, self._space, self._seed, self._default = study, space, seed, dict(default)
        self._records: dict[tuple[int, str], Record] = {}
        for name, value in study.user_attrs.items():
            if name.startswith("trial "):
                _, number, rung = name.split(" ", 2)
                self._records[int(number), rung] = Record(**value)

    def require(self, made_of: Mapping[str, Any]) -> None:
        """Refuse to go on with another search than the one that was begun; write down which one it is, if it is new.

        Raises:
            InvalidArgument: Something differs; it says what.
        """
        wanted = json.loads(json.dumps(made_of))
        begun = self._study.user_attrs.get("search")
        if begun is None:
            self._study.set_user_attr("search", wanted)
            return
        if differing := sorted(name for name in {*wanted, *begun} if wanted.get(name) != begun.get(name)):
            raise InvalidArgument(
                "A folder holds one search, which goes on with what it was begun with. Received: another "
                f"{' and '.join(differing)}. Give another folder, or what it was begun with."
            )

    def settings(self, number: int) -> dict[str, Any]:
        """A trial's settings; drawn now if it is the next one. What is drawn depends on the records before it alone."""
        trials = self._study.get_trials(deepcopy=False)
        if number < len(trials) and trials[number].params.keys() >= self._space.keys():
            return as_given(self._space, trials[number].params)
        # one of its own for each trial: a search that goes on has no state of a generator to restore
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        self._study.sampler = optuna().samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
        waits = number < len(trials) and trials[number].state == optuna().trial.TrialState.WAITING
        if number < len(trials) and not waits:
            trial = optuna().trial.Trial(self._study, trials[number]._trial_id)  # killed while it was drawn
        else:
            if number == 0 and not waits:
                self._study.enqueue_trial(as_drawn(self._space, self._default))
            trial = self._study.ask()
        return as_given(self._space, draw(self._space, trial))

    @property
    def begun(self) -> int:
        """How many trials have settings."""
        return len([one for one in self._study.get_trials(deepcopy=False) if one.params])

    def __contains__(self, key: tuple[int, str]) -> bool:
        return key in self._records

    def __getitem__(self, key: tuple[int, str]) -> Record:
        return self._records[key]

    def of(self, number: int) -> dict[str, Record]:
        """A trial's records by rung, in their order."""
        return {rung: one for (trial, rung), one in self._records.items() if trial == number}

    def losses(self, rung: str) -> dict[int, float]:
        """By trial, of those that came to a rung's end."""
        return {n: one.loss for (n, there), one in self._records.items() if there == rung and one.loss is not None}

    def done(self, number: int, rung: str) -> bool:
        """Whether a trial is through a rung, well or not; one that ran out of time may be tried again with more."""
        return (number, rung) in self and not self[number, rung].over

    def add(self, number: int, rung: str, record: Record) -> None:
        """Write down what came of a trial at a rung."""
        if (number, rung) in self:
            record = replace(record, seconds=record.seconds + self[number, rung].seconds)
        self._study.set_user_attr(f"trial {number} {rung}", asdict(record))
        self._records[number, rung] = record

    def settle(self, number: int, first: str) -> None:
        """Let Optuna know what came of a trial at the first rung, by which settings of others are drawn."""
        trial = self._study.get_trials(deepcopy=False)[number]
        if not trial.state.is_finished():
            record, states = self[number, first], optuna().trial.TrialState
            if record.loss is None:
                self._study.tell(number, state=states.FAIL)
            else:
                self._study.tell(number, record.loss)

    @property
    def seconds(self) -> float:
        """What all of it took so far."""
        return sum(one.seconds for one in self._records.values())

    def note(self, name: str, value: Any) -> None:
        """Keep something that is known of the whole search, as JSON."""
        self._study.set_user_attr(name, value)

    def noted(self, name: str) -> Any:
        """What `note` kept, or None."""
        return self._study.user_attrs.get(name)


@contextmanager
def opened(
    folder: str | os.PathLike[str], space: Space, seed: int, default: Mapping[str, Any]
) -> Iterator[TrialRecords]:
    """The records of a folder, made where there are none."""
    library = optuna()
    level = library.logging.get_verbosity()
    library.logging.set_verbosity(library.logging.ERROR)
    storage = library.storages.RDBStorage(f"sqlite:///{Path(folder).absolute() / FILE}")
    try:
        study = library.create_study(storage=storage, study_name=STUDY, load_if_exists=True, direction="minimize")
        yield TrialRecords(study, space, seed, default)
    finally:
        storage.remove_session()
        storage.engine.dispose()
        library.logging.set_verbosity(level)
