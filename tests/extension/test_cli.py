"""``flask mercure``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest
from click import Group
from click.testing import Result
from flask import Flask

from flask_mercure_sse import MercureSSE
from flask_mercure_sse.cli import mercure_commands
from tests.conftest import SECRET
from tests.publishers.fake_hub import FakeHub
from tests.publishers.scripted import PATIENCE


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


def test_every_answer_is_json_where_that_is_asked_for(app: Flask, mercure: MercureSSE) -> None:
    token = json.loads(run(app, "subscriber-jwt", "-t", "/a", "--json").output)
    assert token["subscribe"] == ["/a"]
    assert jwt.decode(token["token"], SECRET, algorithms=["HS256"]) == {"mercure": {"subscribe": ["/a"]}}
    assert json.loads(run(app, "publisher-jwt", "--json").output)["publish"] == ["*"]
    assert len(json.loads(run(app, "gen-secret-key", "--json").output)["secret_key"]) >= 32
    assert json.loads(run(app, "bindings", "--json").output) == []


def test_an_error_is_json_too_and_the_exit_code_tells_it(app: Flask, mercure: MercureSSE) -> None:
    for command in (["publish", "/a", "x"], ["subscriptions"], ["decode-jwt", "no token"]):
        result = run(app, *command, "--json")
        assert result.exit_code == 1
        assert list(json.loads(result.output)) == ["error"]


@pytest.mark.parametrize(
    ("code", "command"),
    [
        (0, "gen-secret-key"),
        (0, "subscriber-jwt"),
        (0, "publisher-jwt -t /a"),
        (0, "bindings"),
        (0, "doctor"),
        (1, "publish /a x"),
        (1, "publish --hub http://127.0.0.1:1 /a x"),
        (1, "publish --hub nowhere /a x"),
        (1, "subscribe /a"),
        (1, "subscribe --hub http://127.0.0.1:1 /a"),
        (1, "subscriptions"),
        (1, "subscriptions --hub http://127.0.0.1:1"),
        (1, "subscriber-jwt --hub nowhere"),
        (1, "publisher-jwt --hub nowhere"),
        (1, "decode-jwt a.b"),
        (1, "doctor --hub http://127.0.0.1:1"),
        (1, "relay --once"),
        (1, "outbox"),
        (1, "outbox retry 1"),
        (2, "publish /a"),
        (2, "publish --retry soon /a x"),
        (2, "subscribe"),
        (2, "subscribe --count 0 /a"),
        (2, "subscriptions /a /b"),
        (2, "subscriber-jwt --topics /a"),
        (2, "doctor --timeout 0"),
        (2, "doctor --origin shop.example"),
        (2, "relay --twice"),
        (2, "outbox drop"),
        (2, "no-such-command"),
    ],
)
def test_the_exit_code_tells_what_became_of_a_command(
    code: int, command: str, app: Flask, mercure: MercureSSE
) -> None:
    result = run(app, *command.split())
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit | None)


def test_each_command_but_the_hub_answers_in_json() -> None:
    commands = [mercure_commands, *(one for one in mercure_commands.commands.values())]
    leaves = {
        f"{group.name} {name}": command
        for group in commands
        if isinstance(group, Group)
        for name, command in group.commands.items()
    }
    without = {
        name
        for name, command in leaves.items()
        if "as_json" not in {parameter.name for parameter in command.params}
    }
    assert without == {"mercure hub"}


def test_following_ends_when_nobody_reads_it_any_more(tmp_path: Path) -> None:
    app = """
import sys
from flask import Flask
from flask_mercure_sse import MercureSSE
app = Flask("tail")
MercureSSE(app, sys.argv[-1], publisher_jwt="a.b.c")
"""
    (tmp_path / "app.py").write_text(app)
    hub = FakeHub()
    hub.headers, hub.answer = {"Content-Type": "text/event-stream"}, "id: 2\ndata: x\n\n"
    flask = [sys.executable, "-m", "flask", "--app", str(tmp_path / "app.py"), "mercure"]
    command = [*flask, "subscribe", "--last-event-id", "1", "/a", hub.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        try:
            assert process.wait(PATIENCE) == 1
        finally:
            process.kill()
            hub.close()
        assert process.stderr.read() == ""


class TestDecoding:
    def test_a_token_is_told_with_what_it_is_good_for(self, app: Flask, mercure: MercureSSE) -> None:
        result = run(app, "decode-jwt", mercure.create_jwt("publisher_secret_key", publish=["/a", "/b"]))
        assert result.exit_code == 0
        assert 'header: {"alg": "HS256"' in result.output
        assert 'claims: {"mercure": {"publish": ["/a", "/b"]}}' in result.output
        assert "publisher: valid for /a, /b\n" in result.output
        assert "subscriber: not valid: it is signed with the right key, and grants nothing" in result.output

    def test_each_role_has_its_key(self) -> None:
        app = Flask("two keys")
        mercure = MercureSSE(app, publisher_secret_key="p" * 32, subscriber_secret_key="s" * 32)
        with app.app_context():
            token = mercure.create_subscription_jwt("/a")
        told = json.loads(run(app, "decode-jwt", "--json", token).output)
        assert told["subscriber"] == {"valid": True, "topics": ["/a"]}
        assert told["publisher"]["valid"] is False
        assert "signature" in told["publisher"]["reason"]

    def test_a_token_that_has_expired_is_good_for_nothing(self, app: Flask, mercure: MercureSSE) -> None:
        token = jwt.encode({"exp": 1, "mercure": {"subscribe": ["*"]}}, SECRET, "HS256")
        result = run(app, "decode-jwt", token)
        assert result.exit_code == 1
        assert "expires: 1970-01-01 00:00:01+00:00" in result.output
        assert "subscriber: not valid: the token has expired" in result.output

    def test_a_token_may_come_by_standard_input(self, app: Flask, mercure: MercureSSE) -> None:
        token = mercure.create_subscription_jwt("/a")
        result = app.test_cli_runner().invoke(args=["mercure", "decode-jwt", "--json"], input=f"{token}\n")
        assert json.loads(result.output)["subscriber"]["topics"] == ["/a"]

    def test_a_text_that_is_no_token_is_one_line(self, app: Flask, mercure: MercureSSE) -> None:
        result = run(app, "decode-jwt", "a.b")
        assert (result.exit_code, result.output) == (1, "Error: the token does not have three parts\n")
