"""``flask mercure``."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from click.testing import Result
from flask import Flask

from flask_mercure_sse import MercureSSE
from tests.conftest import SECRET


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["mercure", *arguments])


def claims(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return jwt.decode(result.output.strip(), SECRET, algorithms=["HS256"])


def test_a_new_secret_key_is_long_enough_and_never_the_same(app: Flask, mercure: MercureSSE) -> None:
    keys = {run(app, "gen-secret-key").output.strip() for _ in range(3)}
    assert len(keys) == 3
    assert all(len(key) >= 32 for key in keys)


@pytest.mark.parametrize(
    ("command", "action"), [("subscriber-jwt", "subscribe"), ("publisher-jwt", "publish")]
)
def test_tokens_are_for_the_topics_that_are_given_and_for_all_without(
    command: str, action: str, app: Flask, mercure: MercureSSE
) -> None:
    assert claims(run(app, command)) == {"mercure": {action: ["*"]}}
    assert claims(run(app, command, "-t", "/a", "--topic", "/b")) == {"mercure": {action: ["/a", "/b"]}}


@pytest.mark.parametrize("command", ["subscriber-jwt", "publisher-jwt"])
def test_a_missing_key_is_one_line(command: str) -> None:
    app = Flask("no key")
    MercureSSE(app)
    result = run(app, command)
    assert result.exit_code == 1
    assert result.output.startswith("Error: MERCURE_")
    assert "gen-secret-key" in result.output


def test_publishing_into_another_process_memory_is_refused_with_the_fix(
    app: Flask, mercure: MercureSSE
) -> None:
    result = run(app, "publish", "/a", "x")
    assert result.exit_code == 1
    assert "--hub" in result.output
    assert "MERCURE_HUB_ALLOW_PUBLISH" in result.output


def test_a_hub_that_cannot_be_reached_is_one_line(app: Flask, mercure: MercureSSE) -> None:
    result = run(app, "publish", "--hub", "http://127.0.0.1:1/.well-known/mercure", "/a", "x")
    assert result.exit_code == 1
    assert result.output.startswith(
        "Error: the hub http://127.0.0.1:1/.well-known/mercure could not be reached"
    )
