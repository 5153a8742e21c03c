"""Page: a report's content as one HTML document that needs nothing else, and asks for nothing."""

from collections.abc import Sequence
from importlib.resources import files

from blocks.pages.content import Section
from blocks.pages.html_table import html_table
from blocks.pages.writing_direction import isolated


def page(title: str, subtitle: str, highlights: Sequence[tuple[str, str, str]], sections: Sequence[Section]) -> str:
    """The document.

    Args:
        title: Its title.
        subtitle: What it is of.
        highlights: Name, value and note of what stands on top.
        sections: In order.

    Returns:
        HTML. Names and values are escaped, whatever they hold.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = files(__package__)
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: isolated(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    template = environment.from_string((folder / "page.html.jinja").read_text())
    return template.render(
        title=title,
        subtitle=subtitle,
        highlights=highlights,
        sections=sections,
        style=Markup((folder / "page.css").read_text()),
        svg=Markup,
        html_table=html_table,
    )
