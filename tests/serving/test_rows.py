"""`POST /NAME`: one row in, one answer out."""

import pytest


def test_one_row_and_several(ask, mixed_app, json_rows):
    status, one = ask(mixed_app, "POST", "/income", json_rows[0])
    assert status == 200
    assert set(one) == {"probabilities", "label", "confidence"}
    status, several = ask(mixed_app, "POST", "/income", json_rows[:3])
    assert (status, len(several), several[0]["label"]) == (200, 3, one["label"])


@pytest.mark.parametrize("body", [[], 3, "x", [[]]])
def test_what_is_no_row(ask, mixed_app, body):
    status, answer = ask(mixed_app, "POST", "/income", body)
    assert status == 400
    assert "row" in answer["error"]


def test_other_names_are_not_found(mixed_app):
    import asyncio

    from tests.serving.conftest import request

    assert asyncio.run(request(mixed_app, "POST", "/nobody"))[0] == 404
