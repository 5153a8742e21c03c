"""The page at `/`, in Chromium: the form, the answer, why, the request; on a phone, dark; it asks nobody else."""

import base64
import io
import json
import os
import shlex
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import uvicorn

import blocks
from blocks import classifiers, preprocessors
from blocks.serving.background_rows import COUNT, background_rows
from blocks.serving.model_card import model_card
from blocks.serving.servable import Servable
from tests.serving.browser import BROWSER, DRIVER, Browser
from tests.serving.conftest import free_port, mixed_rows

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


def test_the_first_example_is_of_usual_values(mixed_export):
    row = model_card("income", Servable(mixed_export))["examples"][0]
    rows = mixed_rows().to_pydict()
    ages = [one for one in rows["age"] if one is not None]
    assert abs(row["age"] - np.median(ages)) < 1
    assert abs(row["height"] - np.median(rows["height"])) < 0.02
    assert row["city"] == max(set(rows["city"]), key=rows["city"].count)
    assert row["age"] not in ages


def test_other_rows_are_drawn_as_training_rows_were_spread(mixed_export):
    servable = Servable(mixed_export)
    found = background_rows(servable)
    assert found.said.endswith(
        "each column by itself; of at, shop id they are those of the export's golden rows, which are made up of what "
        "the model has learned."
    )
    rows = mixed_rows().to_pydict()
    assert {len(values) for values in found.rows.values()} == {COUNT}
    age = found.rows["age"]
    told = np.array([one for one in rows["age"] if one is not None])
    assert abs(np.isnan(age).mean() - 1 / 9) < 0.05  # as many are missing
    for share in (0.1, 0.5, 0.9):
        assert abs(np.nanquantile(age, share) - np.quantile(told, share)) < 3
    assert np.nanmin(age) >= told.min()
    assert np.nanmax(age) <= told.max()
    assert not set(age.tolist()) & set(told.tolist())  # nobody's own
    cities, counts = np.unique(found.rows["city"], return_counts=True)
    for city, count in zip(cities, counts, strict=True):
        assert abs(count / COUNT - rows["city"].count(city.decode()) / len(rows["city"])) < 0.06
    assert set(found.rows["member"].tolist()) == {0.0, 1.0}


@contextmanager
def served(application):
    """The address of the page, from a server in a thread of this process."""
    config = uvicorn.Config(application, port=free_port(), log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{config.port}/"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def page(mixed_app):
    with served(mixed_app) as address:
        yield address


def picture(shade):
    """A small PNG of one shade of grey."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (12, 8), shade).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A model of a window, an image, a long text and a boolean."""
    count = 60
    random = np.random.default_rng(0)
    words = np.array(["good", "bad", "shop", "again", "never", "service"])
    rows = pa.table(
        {
            "close": pa.array(random.normal(size=(count, 6)).tolist(), pa.list_(pa.float64(), 6)),
            "photo": pa.array([picture(200 if i % 2 else 20) for i in range(count)], pa.binary()),
            "review": [" ".join(random.choice(words, 12)) for _ in range(count)],
            "member": pa.array([i % 2 == 0 for i in range(count)]),
            "label": ["light" if i % 2 else "dark" for i in range(count)],
        }
    )
    columns = {
        "close": preprocessors.Standardize(),
        "photo": preprocessors.Vocabulary(),
        "review": preprocessors.Tokens(6),
        "member": preprocessors.Standardize(),
    }
    model = blocks.Model(preprocessors.Columns(columns), head=classifiers.Softmax("label"), seed=0)
    model.adapt(rows)
    path = tmp_path_factory.mktemp("media") / "1"
    model.export(path)
    application = blocks.serving.app({"media": path})
    with served(application) as address:
        yield application, address
    application.server.stop()


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


def control(name):
    """JavaScript for the input of a column."""
    return (
        f"document.getElementById([...document.querySelectorAll('#fields label')]"
        f".find((one) => one.firstChild.data.trim() === {name!r}).htmlFor)"
    )


def sent(browser):
    """The row that the page's curl line sends."""
    command = shlex.split(browser.run("return document.getElementById('curl').textContent"))
    return json.loads(command[command.index("-d") + 1])


def test_a_boolean_is_true_false_or_missing(page, browser):
    browser.open(page)
    browser.wait("return document.getElementById('title').textContent")
    for choice, value in (("true", True), ("", None), ("false", False)):
        browser.run(f"const one = {control('member')}; one.value = {choice!r}; one.dispatchEvent(new Event('change'))")
        assert sent(browser)["member"] is value
    options = browser.run(f"return [...{control('member')}.options].map((one) => one.text)")
    assert options == ["missing", "true", "false"]
    assert browser.complaints() == []


def test_windows_images_and_long_texts_have_fields_of_their_own(media, browser, ask, tmp_path):
    application, address = media
    browser.size(1280, 900)
    browser.open(address)
    browser.wait("return document.getElementById('title').textContent")
    row = sent(browser)
    assert len(row["close"]) == 6
    assert browser.run(f"return {control('review')}.tagName") == "TEXTAREA"
    browser.run(
        f"const one = {control('close')}; one.value = '1, 2.5,, -3e2, null, x'; one.dispatchEvent(new Event('input'));"
        f"const two = {control('review')}; two.value = `good${{String.fromCharCode(10)}}shop`;"
        "two.dispatchEvent(new Event('input'))"
    )
    row = sent(browser)
    assert (row["close"], row["review"]) == ([1, 2.5, None, -300, None, "x"], "good\nshop")
    line = f"{control('close')}.parentNode.querySelector('path').getAttribute('d')"
    assert browser.run(f"return {line}").count("M") == 2  # the line has a gap
    browser.run(f"const one = {control('close')}; one.value = '1,2,3'; one.dispatchEvent(new Event('input'))")
    assert browser.run(f"return {control('close')}.parentNode.querySelector('div > small').textContent") == "3 of 6"
    browser.run("document.querySelector('#form [type=submit]').click()")
    assert "a list of 6 values" in browser.wait("return document.querySelector('#answer .error')?.textContent")
    browser.run(f"const one = {control('close')}; one.value = ''; one.dispatchEvent(new Event('input'))")
    file = tmp_path / "light.png"
    file.write_bytes(picture(200))
    browser.choose(control("photo"), file)
    preview = f"{control('photo')}.parentNode.querySelector('img')"
    assert browser.wait(f"return {preview}.naturalWidth") == 12
    row = sent(browser)
    assert base64.b64decode(row["photo"]["b64"]) == file.read_bytes()
    assert row["close"] is None
    browser.run("document.querySelector('#form [type=submit]').click()")
    shares = browser.wait(
        "const found = [...document.querySelectorAll('#answer .bars .number')]; return found.length && "
        "Object.fromEntries(found.map((one) => [one.previousSibling.previousSibling.textContent, one.textContent]))"
    )
    given = dict(zip(("dark", "light"), ask(application, "POST", "/media", row)[1]["probabilities"], strict=True))
    assert {name: float(share) for name, share in shares.items()} == pytest.approx(given, abs=1e-3)
    for name, size, dark in (("media", (1280, 900), False), ("media-phone-dark", (390, 844), True)):
        browser.size(*size, dark=dark)
        width = browser.run("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert width[0] <= width[1], name
        pictured(browser, name)
    browser.run(f"{control('photo')}.parentNode.querySelector('button').click()")
    assert sent(browser)["photo"] is None
    assert not [one for one in browser.complaints() if "400" not in one]


def test_the_page_says_what_is_wrong(page, browser):
    browser.open(page)
    browser.wait("return document.getElementById('title').textContent")
    browser.run(
        "const age = [...document.querySelectorAll('#fields label')].find((one) => one.textContent.startsWith('age'));"
        "document.getElementById(age.htmlFor).value = 'old'; document.querySelector('#form [type=submit]').click()"
    )
    assert "Column 'age' takes numbers" in browser.wait("return document.querySelector('#answer .error')?.textContent")
