"""Configuration: what a project's blocks.toml says, layer by layer, and where each value comes from.

From the weakest to the strongest: blocks.toml, its profiles in the order in which they are chosen, the user's own
blocks.local.toml, and `--set`. A layer changes what a weaker one has; it brings no names of its own, so a misspelt one
is an error. Secrets are named, `env = ["DB_PASSWORD"]`, stand as `${DB_PASSWORD}` in values, and are read from the
environment by `Configuration.filled` alone: what is recorded or printed holds the name.
"""

import datetime
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from blocks.errors import InvalidArgument

FILE = "blocks.toml"
OWN_FILE = "blocks.local.toml"
FREE = ("data", "model")
"""Tables for a project's own code, of any names."""

KEYS: dict[str, dict[str, tuple[type, ...]]] = {
    "": {"seed": (int,), "env": (list,)},
    "project": {"name": (str,), "data": (str,), "model": (str,)},
    "inspect": {"target": (str,), "key": (str, list), "time": (str,)},
    "adapt": {"memory": (int, str)},
    "precompute": {
        "format": (str,),
        "keys": (list,),
        "compression": (str,),
        "rows_per_shard": (int,),
        "rows_per_chunk": (int,),
        "workers": (int,),
    },
    "fit": {"epochs": (int,), "batch_size": (int,), "save_every": (int,)},
    "evaluate": {"split": (str,), "keys": (list,), "by": (list,)},
    "serve": {"host": (str,), "port": (int,)},
    "tune": {"budget": (str, int, float), "trials": (int,)},
    "bench": {"split": (str,), "batch_size": (int,), "seconds": (float, int)},
}
"""By table, "" for the top, what the steps read and of which types; everything has a default in its step."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_TYPES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "a table"}


@dataclass(frozen=True)
class Configuration:
    """A resolved configuration.

    Attributes:
        folder: The project's.
        values: Tables and values as written, `${NAME}` included: fit to be recorded and shown.
        origins: By dotted name, the layer that a value comes from.
        profiles: Those that were chosen, in order.
    """

    folder: Path
    values: dict[str, Any]
    origins: dict[str, str]
    profiles: tuple[str, ...] = ()

    def filled(self) -> dict[str, Any]:
        """The values with environment variables in place of `${NAME}`: for the project's code, to be kept nowhere.

        Raises:
            InvalidArgument: A value asks for a variable that `env` does not name, or that is not set.
        """
        filled = _mapped(self.values, lambda text, at: _REFERENCE.sub(lambda found: self._variable(found[1], at), text))
        assert isinstance(filled, dict)
        return filled

    def _variable(self, name: str, at: str) -> str:
        named = self.values.get("env", [])
        if name not in named:
            raise InvalidArgument(
                f"{FILE} names the environment variables that it reads. Received: ${{{name}}} in {at}, and "
                f'env = {named}. Add it there: env = ["{name}"].'
            )
        value = os.environ.get(name)
        if value is None:
            raise InvalidArgument(
                f"{at} in {self.origins.get(at, FILE)} needs the environment variable {name}, which is not set. Set "
                f"it, for instance in .env (see .env.example): set -a; . ./.env; set +a"
            )
        return value

    def table(self, name: str) -> dict[str, Any]:
        """What is set in one of the tables; {} where it is not there."""
        return dict(self.values.get(name, {}))


def resolve(
    folder: str | os.PathLike[str],
    profiles: Sequence[str] = (),
    settings: Iterable[str] = (),
    *,
    step: str | None = None,
    needed: bool = True,
) -> Configuration:
    r"""Read a project's configuration.

    Args:
        folder: The project's, which has a blocks.toml.
        profiles: Names of profiles, the strongest last.
        settings: "table.name=value" each, the value as TOML writes it, or else text. A name alone is looked for in the
            step's table, then in all.
        step: Whose table that is.
        needed: Whether a folder without a blocks.toml is refused, or has no settings.

    Raises:
        InvalidArgument: There is no such file, profile or name, or a value is of another type.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     text = "[data]\nrows = 1000\n[fit]\nepochs = 20\n[profiles.local]\ndata.rows = 50\n"
        ...     _ = Path(folder, "blocks.toml").write_text(text)
        ...     found = resolve(folder, ["local"], ["epochs=3"])
        >>> found.values["data"], found.values["fit"]
        ({'rows': 50}, {'epochs': 3})
        >>> found.origins
        {'data.rows': 'profile local', 'fit.epochs': '--set'}
    """
    folder = Path(folder)
    written = _read(folder / FILE) if needed or (folder / FILE).exists() else {}
    layers = written.pop("profiles", {})
    if not isinstance(layers, dict) or not all(isinstance(one, dict) for one in layers.values()):
        raise InvalidArgument(f"profiles of {FILE} are tables: [profiles.local]. Received: profiles = {layers!r}.")
    _check_known(written, FILE)
    values = written
    origins = {name: FILE for name, _ in _leaves(values)}
    for name in profiles:
        if name not in layers:
            known = ", ".join(layers) or "none"
            raise InvalidArgument(
                f"A profile is a table of {FILE}, [profiles.NAME]. Received: {name}{_meant(name, layers)}. There are: "
                f"{known}."
            )
    for name, layer in layers.items():  # also those that are not chosen, so that a mistake shows at once
        _lay(_copied(values), {}, layer, f"profile {name}")
    for name in profiles:
        _lay(values, origins, layers[name], f"profile {name}")
    if (folder / OWN_FILE).exists():
        own = _read(folder / OWN_FILE)
        if "profiles" in own:
            raise InvalidArgument(f"Profiles stand in {FILE}. Received: profiles in {OWN_FILE}. Move them there.")
        _lay(values, origins, own, OWN_FILE)
    for setting in settings:
        _lay(values, origins, _setting(setting, values, step), "--set")
    _check_env(values.get("env", []))
    return Configuration(folder, values, origins, tuple(profiles))


def _read(file: Path) -> dict[str, Any]:
    try:
        return _plain(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InvalidArgument(
            f"A project is a folder with a {FILE}. Received: {file.parent}, which has none. Go to one, name it "
            "(--project DIR), or make one: blocks new NAME --template table."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{file.name} is written in TOML. Received: {error}. Mend that line.") from error


def _check_known(layer: Mapping[str, Any], origin: str) -> None:
    """Refuse tables and names that no step reads, and values of other types."""
    for name, value in layer.items():
        if name in KEYS[""]:
            _check_type(name, value, KEYS[""][name], origin)
        elif name in FREE or name in KEYS:
            if not isinstance(value, dict):
                raise InvalidArgument(f"[{name}] of {origin} is a table. Received: {name} = {value!r}.")
            for key, one in value.items() if name in KEYS else ():
                if key not in KEYS[name]:
                    raise InvalidArgument(
                        f"[{name}] of {origin} takes {', '.join(KEYS[name])}. Received: {key}"
                        f"{_meant(key, KEYS[name])}. What your own code reads goes into [data] or [model]."
                    )
                _check_type(f"{name}.{key}", one, KEYS[name][key], origin)
        else:
            tables = [*KEYS[""], *FREE, *(table for table in KEYS if table), "profiles"]
            raise InvalidArgument(
                f"{origin} takes {', '.join(tables)}. Received: {name}{_meant(name, tables)}. What your own code "
                "reads goes into [data] or [model]."
            )


def _lay(values: dict[str, Any], origins: dict[str, str], layer: Mapping[str, Any], origin: str) -> None:
    """Put a layer over what is there."""
    _check_known(layer, origin)
    for name, value in _leaves(layer):
        *tables, key = name.split(".")
        at = values
        for table in tables:
            at = at.setdefault(table, {}) if at is values else at.get(table, {})
            if not isinstance(at, dict):
                raise InvalidArgument(f"{name} in {origin} needs a table. Received: {table} = {at!r} in {FILE}.")
        if key not in at and name.split(".")[0] in FREE:
            known = [one for one, _ in _leaves(values)]
            raise InvalidArgument(
                f"What is set has a default in {FILE}. Received: {name} in {origin}{_meant(name, known)}. Write "
                f"{key} into its [{'.'.join(tables)}] first."
            )
        if key in at:
            _check_same_type(name, at[key], value, origin)
        at[key] = value
        origins[name] = origin


def _setting(setting: str, values: Mapping[str, Any], step: str | None) -> dict[str, Any]:
    """The layer of one `--set`."""
    name, equals, text = setting.partition("=")
    name = name.strip()
    if not equals or not all(name.split(".")):
        raise InvalidArgument(f"--set takes TABLE.NAME=VALUE. Received: {setting!r}. Write --set fit.epochs=3.")
    try:
        value = _plain(tomllib.loads(f"value = {text}"))["value"]
    except tomllib.TOMLDecodeError:
        value = text
    if "." not in name and name not in KEYS[""]:
        own = [f"{table}.{key}" for table, keys in KEYS.items() for key in keys if key == name]
        own += [f"{table}.{name}" for table in FREE if name in values.get(table, {})]
        of_step = [one for one in own if one.startswith(f"{step}.")]
        found = of_step or own
        if len(found) != 1:
            known = sorted(
                {one.rpartition(".")[2] for one, _ in _leaves(values)} | {k for t in KEYS.values() for k in t}
            )
            several = f", which {' and '.join(found)} are called" if found else _meant(name, known)
            raise InvalidArgument(
                f"--set takes TABLE.NAME=VALUE, or a name that stands in one table. Received: {name}{several}. "
                f"Write --set {found[0] if found else 'fit.epochs'}=..."
            )
        name = found[0]
    for key in reversed(name.split(".")):
        value = {key: value}
    return value


def _check_type(name: str, value: Any, types: tuple[type, ...], origin: str) -> None:
    if not isinstance(value, types) or isinstance(value, bool):
        wanted = " or ".join(dict.fromkeys(_TYPES[one] for one in types))
        raise InvalidArgument(f"{name} is {wanted}. Received: {value!r} in {origin}.")


def _check_same_type(name: str, before: Any, value: Any, origin: str) -> None:
    kinds = {type(before), type(value)}
    known = name.partition(".")[0] not in FREE  # their types are those of KEYS
    if not known and len(kinds) > 1 and kinds != {int, float}:
        wanted = _TYPES.get(type(before), type(before).__name__)
        raise InvalidArgument(f"{name} is {wanted}, as in {FILE}. Received: {value!r} in {origin}.")


def _check_env(names: Sequence[Any]) -> None:
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidArgument(
                f'env lists names of environment variables, never their values: env = ["DB_PASSWORD"]. Received: '
                f"{'a name with other characters than letters, digits and _' if isinstance(name, str) else repr(name)}."
            )


def _leaves(values: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{at}{name}.")
        else:
            yield f"{at}{name}", value


def _mapped(value: Any, change: Any, at: str = "") -> Any:
    """A copy with each text of it changed, by its dotted name."""
    if isinstance(value, dict):
        return {name: _mapped(one, change, f"{at}.{name}" if at else name) for name, one in value.items()}
    if isinstance(value, list):
        return [_mapped(one, change, at) for one in value]
    return change(value, at) if isinstance(value, str) else value


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """The same, dates and times as text, so that all of it is JSON."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: changed(one) for name, one in value.items()}
        if isinstance(value, list):
            return [changed(one) for one in value]
        return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value

    return {name: changed(value) for name, value in values.items()}


def _copied(values: dict[str, Any]) -> dict[str, Any]:
    copied = _mapped(values, lambda text, at: text)
    assert isinstance(copied, dict)
    return copied


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
