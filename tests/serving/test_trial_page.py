"""The page at `/`, in Chromium: the form, the answer, why, the request; on a phone, dark; it asks nobody else."""

import json
import os
import shlex
import threading
from pathlib import Path

import pytest
import uvicorn

from tests.serving.browser import BROWSER, DRIVER, Browser
from tests.serving.conftest import free_port

PICTURES = os.environ.get("BLOCKS_PICTURES")
"""A folder for pictures of the page, to be looked at."""


def test_the_document_needs_nothing_else(ask, mixed_app):
    import asyncio

    from tests.serving.conftest import request

    status, headers, body = asyncio.run(request(mixed_app, "GET", "/"))
    assert status == 200
    text = body.decode()
    assert "src=" not in text
    assert "http" not in text.replace("http-equiv", "").replace("${location", "")
    assert b"default-src 'none'" in headers[b"content-security-policy"]


def test_openapi_describes_the_model(ask, mixed_app, json_rows):
    import jsonschema

    status, document = ask(mixed_app, "GET", "/openapi.json")
    assert status == 200
    row = document["components"]["schemas"]["income.row"]
    jsonschema.Draft202012Validator.check_schema(row)
    for one in json_rows[:20]:
        jsonschema.validate(one, row)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json_rows[0], "age": "old"}, row)
    answers = {}
    for path in ("/income", "/v1/models/income:predict", "/v2/models/income/infer"):
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        at = {**content["schema"], "components": document["components"]}
        jsonschema.validate(content["example"], at)
        status, answers[path] = ask(mixed_app, "POST", path, content["example"])
        assert status == 200
    jsonschema.validate(answers["/income"], document["components"]["schemas"]["income.answer"])


def test_why(ask, mixed_app, json_rows):
    status, found = ask(mixed_app, "POST", "/page/explain/income", json_rows[1])
    assert status == 200
    assert {one["column"] for one in found["contributions"]} == set(json_rows[1])
    assert found["target"] in ("no", "yes")
    assert ask(mixed_app, "POST", "/page/explain/income", {})[0] == 400
    assert ask(mixed_app, "POST", "/page/explain/nobody", {})[0] == 404


@pytest.fixture(scope="module")
def page(mixed_app):
    """The address of the page, from a server in a thread of this process."""
    config = uvicorn.Config(mixed_app, port=free_port(), log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{config.port}/"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser():
    if not (DRIVER and BROWSER):
        pytest.skip("there is no chromium with chromedriver here")
    opened = Browser(free_port())
    yield opened
    opened.close()


def pictured(browser, name):
    if PICTURES:
        Path(PICTURES, f"{name}.png").write_bytes(browser.picture())


def test_the_page_in_a_browser(page, browser, ask, mixed_app):
    browser.size(1200, 900)
    browser.open(page)
    assert browser.wait("return document.getElementById('title').textContent") == "income"
    labels = browser.run(
        "return [...document.querySelectorAll('#fields label')].map((one) => one.firstChild.data.trim())"
    )
    assert sorted(labels) == ["age", "at", "city", "height", "member", "shop id"]
    browser.run("document.querySelector('#form [type=submit]').click()")
    label = browser.wait("return document.querySelector('#answer .big')?.textContent")
    command = shlex.split(browser.run("return document.getElementById('curl').textContent"))
    row = json.loads(command[command.index("-d") + 1])
    assert ask(mixed_app, "POST", "/income", row)[1]["label"] == label
    shares = browser.run(
        "return [...document.querySelectorAll('#answer .bars .number')].map((one) => Number(one.textContent))"
    )
    assert abs(sum(shares) - 1) < 1e-3
    browser.run("document.getElementById('explain').click()")
    assert browser.wait("return document.querySelectorAll('#why .bars .track').length", 120) == 6
    pictured(browser, "desktop-light")
    for name, size, dark in (
        ("desktop-dark", (1200, 900), True),
        ("phone-light", (390, 844), False),
        ("phone-dark", (390, 844), True),
    ):
        browser.size(*size, dark=dark)
        width = browser.run("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert width[0] <= width[1], name
        pictured(browser, name)
    assert browser.complaints() == []


def test_the_page_says_what_is_wrong(page, browser):
    browser.open(page)
    browser.wait("return document.getElementById('title').textContent")
    browser.run(
        "const age = [...document.querySelectorAll('#fields label')].find((one) => one.textContent.startsWith('age'));"
        "document.getElementById(age.htmlFor).value = 'old'; document.querySelector('#form [type=submit]').click()"
    )
    assert "Column 'age' takes numbers" in browser.wait("return document.querySelector('#answer .error')?.textContent")
