"""Requests held against the schema that the export carries: a warning, a refusal, or nothing; counted by column."""

import asyncio

import pytest

import blocks
from tests.serving.conftest import request

PREDICT = "/v1/models/income:predict"


@pytest.fixture
def strange(json_rows):
    return {**json_rows[1], "age": 1e6, "city": "Atlantis"}


def metrics(application):
    return asyncio.run(request(application, "GET", "/metrics"))[2].decode()


def test_warnings(ask, mixed_export, json_rows, strange):
    application = blocks.serving.app({"income": mixed_export})
    assert "warnings" not in ask(application, "POST", PREDICT, {"instances": json_rows[1:3]})[1]
    status, answer = ask(application, "POST", PREDICT, {"instances": [json_rows[1], strange]})
    assert (status, len(answer["predictions"])) == (200, 2)
    assert [one.split(":")[0] for one in answer["warnings"]] == ["Column 'age'", "Column 'city'"]
    assert "Atlantis" not in str(answer)
    assert ask(application, "POST", "/income", strange)[1]["warnings"] == answer["warnings"]
    found = metrics(application)
    assert 'blocks_unexpected_rows{column="city",kind="ENUM_TYPE_UNEXPECTED_STRING_VALUES",model="income"} 2.0' in found
    application.server.stop()


def test_each_request_of_a_batch_is_warned_of_its_own(mixed_export, json_rows, strange):
    application = blocks.serving.app({"income": mixed_export})

    async def ask():
        rows = [json_rows[1], strange, json_rows[2], strange] * 8
        return await asyncio.gather(*(request(application, "POST", "/income", row) for row in rows))

    answers = asyncio.run(ask())
    assert [b"warnings" in body for _, _, body in answers] == [False, True, False, True] * 8
    assert 'kind="FLOAT_TYPE_BIG_FLOAT",model="income"} 16.0' in metrics(application)
    application.server.stop()


def test_refusal_and_neglect(ask, mixed_export, json_rows, strange):
    refusing = blocks.serving.app({"income": mixed_export}, unexpected="refuse")
    status, answer = ask(refusing, "POST", PREDICT, {"instances": [strange]})
    assert status == 400
    assert "Column 'city': a text that training rows did not have in 1 row" in answer["error"]
    assert ask(refusing, "POST", PREDICT, {"instances": json_rows[1:2]})[0] == 200
    refusing.server.stop()
    ignoring = blocks.serving.app({"income": mixed_export}, unexpected="ignore")
    assert set(ask(ignoring, "POST", PREDICT, {"instances": [strange]})[1]) == {"predictions"}
    ignoring.server.stop()
    with pytest.raises(blocks.errors.InvalidArgument, match="unexpected is one of"):
        blocks.serving.app({"income": mixed_export}, unexpected="no")
