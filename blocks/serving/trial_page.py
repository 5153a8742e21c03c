"""The page at `/`: a form to try a model, its answers drawn, why, and the request as curl and Python. No network."""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from blocks.serving.answer import Answer

_FOLDER = "blocks.serving"


@cache
def _style() -> str:
    own = (files(_FOLDER) / "trial_page.css").read_text()
    return (files("blocks.pages") / "page.css").read_text() + own


@cache
def _script() -> str:
    return "".join((files(_FOLDER) / name).read_text() for name in ("trial_page.fields.js", "trial_page.js"))


def trial_page(cards: Sequence[dict[str, Any]]) -> Answer:
    """The document.

    Args:
        cards: A `model_card` of each model.

    Returns:
        HTML that runs its own script alone, and asks no other server. Names and values stand in it as JSON, which the
        script writes as text.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string((files(_FOLDER) / "trial_page.html.jinja").read_text())
    # "<" cannot stand in a script's text, or a name could end it
    content = json.dumps([_exact(card) for card in cards]).replace("<", "\\u003c")
    text = template.render(style=Markup(_style()), script=Markup(script), cards=Markup(content))
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; connect-src 'self'; "
        "img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = (
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    )
    return Answer(200, headers, text.encode())


def _exact(value: Any) -> Any:
    """Whole numbers beyond 2^53 as text: JavaScript would round them."""
    if isinstance(value, dict):
        return {key: _exact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_exact(inner) for inner in value]
    return str(value) if type(value) is int and abs(value) > 2**53 else value
