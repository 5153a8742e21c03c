"""New projects: a folder from a template, rendered by Jinja2; it appears whole or not at all."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path

import jinja2

from blocks.errors import InvalidArgument
from blocks.files.durable import whole_folder
from blocks.files.write_errors import explained
from blocks.runs.installed_from import requirement


@dataclass(frozen=True)
class Template:
    """What the shared files of a template differ by.

    Attributes:
        purpose: What is predicted of what.
        script: The file that makes rows up.
        answer: The answer that its tests look at.
        group: The column that no two splits share; "" where rows are divided by time.
        order: The column of times by which they are.
    """

    purpose: str
    script: str
    answer: str = "probabilities"
    group: str = ""
    order: str = ""


TEMPLATES = {
    "table": Template("which orders are sent back", "make_orders.py", group="customer"),
    "series": Template("the demand of the next hours, with quantiles", "make_demand.py", "prediction", order="hour"),
    "text": Template("what a message to a shop is about", "make_messages.py", group="customer"),
    "images": Template("which shape is drawn", "make_drawings.py", group="path"),
}

_FOLDER = Path(__file__).parent / "templates"
_SHARED = "shared"
_SUFFIX = ".jinja"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_HIDDEN = ("gitignore", "env.example")


def new_project(path: Path, template: str) -> list[str]:
    """Make a project.

    Args:
        path: Its folder, which does not exist or is empty; the last part is its name.
        template: One of `TEMPLATES`.

    Returns:
        What was written, by name, and at last from where its environment gets blocks.

    Raises:
        InvalidArgument: Another template, a bad name, or a folder that holds something.
    """
    if template not in TEMPLATES:
        raise InvalidArgument(f"A template is {', '.join(TEMPLATES)}. Received: {template!r}.")
    name = path.resolve().name
    if not _NAME.fullmatch(name):
        raise InvalidArgument(
            "A project's name is letters, digits, - and _, at most 64, and begins with a letter. Received: "
            f"{name!r}. Write blocks new shop, say."
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InvalidArgument(
            f"A project is made in a folder that is new or empty. Received: {path}, which holds something. Choose "
            "another name."
        )
    line, told = requirement("[serve]")
    values = {"name": name, "template": template, "requirement": line, "source": told, **asdict(TEMPLATES[template])}
    written = []
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.rmdir()
        with whole_folder(path) as folder:
            for relative, text in sorted(_rendered(template, values).items()):
                (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                (folder / relative).write_text(text, encoding="utf-8")
                written.append(relative)
    return [*written, told]


def _rendered(template: str, values: dict[str, str]) -> dict[str, str]:
    """Path to text of each of a project's files; a template's own stand before the shared ones of their name."""
    loader = jinja2.FileSystemLoader([_FOLDER / template, _FOLDER / _SHARED])
    # code and TOML, not HTML: the values are a checked name and a line of requirements
    environment = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False
    )
    return {_place(name): environment.get_template(name).render(values) for name in environment.list_templates()}


def _place(name: str) -> str:
    folder, slash, file = name.removesuffix(_SUFFIX).rpartition("/")
    return f"{folder}{slash}{'.' if file in _HIDDEN else ''}{file}"
