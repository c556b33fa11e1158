"""The standalone hub's options: a file, the environment and the command line, and errors that name their place."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from flask_mercure_sse import ConfigurationError
from flask_mercure_sse.server.config_file import read_config_file
from flask_mercure_sse.server.http_limits import HttpLimits
from flask_mercure_sse.server.options import OPTIONS, Options
from flask_mercure_sse.server.sources import of_command_line, of_environment, resolve


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.toml"


def read(path: Path, text: str) -> Options:
    path.write_text(text)
    return resolve(read_config_file(str(path))).options


def problem(path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(path, text)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "hub.toml")


def test_an_empty_file_says_nothing(path: Path) -> None:
    assert read(path, "") == Options()


def test_lists_numbers_flags_and_tables_are_those_of_toml(path: Path) -> None:
    options = read(
        path,
        """
        port = 8080
        drain-time = 2.5
        keepalive-interval = 20
        allow-anonymous = false
        cors-origins = ["https://a.example", "https://b.example:8443"]
        trusted-proxies = ["10.0.0.0/8", "::1"]
        [issuers."https://issuer.example"]
        subscriber = "a key"
        """,
    )
    assert (options.port, options.drain_time, options.keepalive_interval) == (8080, 2.5, 20.0)
    assert options.allow_anonymous is False
    assert options.cors_origins == ("https://a.example", "https://b.example:8443")
    assert options.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert options.issuers == {"https://issuer.example": {"subscriber": "a key"}}


def test_every_option_but_the_file_itself_is_a_key(path: Path) -> None:
    path.write_text("")
    for option in OPTIONS.values():
        kind = option.kind.types[0]
        example = {str: '"x"', bool: "true", int: "1", float: "1.0", list: "[]", dict: "{}"}[kind]
        path.write_text(f"{option.key} = {example}")
        assert list(read_config_file(str(path))) == [option.name]


def test_an_unknown_key_is_named_with_the_one_that_was_meant(path: Path) -> None:
    assert problem(path, "max_body_size = 1") == (
        "hub.toml: max_body_size: is not an option; did you mean max-body-size?"
    )
    assert "known keys are host, port" in problem(path, "colour = 1")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('port = "5500"', "port: '5500' is a text; give a whole number"),
        ("port = true", "port: True is true or false; give a whole number"),
        ("subscriptions = 1", "subscriptions: 1 is a whole number; give true or false"),
        ("protocol = 1.0", "protocol: 1.0 is a number; give a text in quotes"),
        ("host = 2026-01-01", "host: datetime.date(2026, 1, 1) is a date or time; give a text in quotes"),
        ("[port]\na = 1", "port: the value is a table; give a whole number"),
        ("cors-origins = [1]", "cors-origins: [1] is not a list of texts"),
        ("publisher-secret = 12345", "publisher-secret: the value is a whole number; give a text in quotes"),
    ],
)
def test_a_value_of_another_type_is_told_with_its_key_and_the_right_one(
    path: Path, line: str, told: str
) -> None:
    assert problem(path, line).startswith(f"hub.toml: {told}")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("port = 65536", "port: 65536 is no port; give a number from 1 to 65535"),
        ("max-backlog = 0", "max-backlog: 0 leaves nothing to take; give a number above zero"),
        (f"history-length = {2**63}", f"history-length: {2**63} is more than any machine has room for"),
        ("max-connections = -1", "max-connections: -1 is negative; give how many"),
        ("drain-time = -1", "drain-time: -1 is out of range; give a number of seconds, zero or more"),
        ("head-timeout = 0", "head-timeout: 0 leaves no time; give a number of seconds above zero"),
        ("drain-time = nan", "drain-time: nan is out of range"),
        ('log-format = "xml"', "log-format: 'xml' is not known; use text or json"),
        ('log-level = "loud"', "log-level: 'loud' is not known; use debug, info, warning or error"),
        (
            'protocol = "2.0"',
            "protocol: '2.0' is no version of the protocol; use one of '0.x', '1.0', 'both'",
        ),
        ('trusted-proxies = ["10.0.0.1/8"]', "trusted-proxies: ['10.0.0.1/8'] has '10.0.0.1/8', which is no"),
        ('publish-origins = ["*"]', "publish-origins: ['*'] has '*', which is no origin"),
        ('cookie-name = "a b"', "cookie-name: 'a b' is not a cookie name"),
        ('algorithms = ["none"]', "algorithms: ['none'] has 'none', which is no algorithm"),
        (
            '[issuers]\n"https://a" = "key"',
            "issuers: the value has the entry 'https://a' without a dictionary",
        ),
    ],
)
def test_a_value_out_of_range_is_told_with_its_key_and_the_fix(path: Path, line: str, told: str) -> None:
    assert problem(path, line).startswith(f"hub.toml: {told}")


def test_all_problems_are_told_at_once(path: Path) -> None:
    assert re.findall(r"hub\.toml: (\S+):", problem(path, 'port = -1\ndrain-time = -1\nhost = ""')) == [
        *("host", "port", "drain-time")
    ]


def test_a_file_that_is_no_toml_is_named_with_the_place(path: Path) -> None:
    assert "hub.toml: is not TOML (" in problem(path, "port: 5500")
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        read_config_file(str(path))


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"hub\.toml: .* cannot be read \(No such file"):
        read_config_file(str(path))


def test_the_command_line_counts_before_the_environment_and_that_before_the_file(path: Path) -> None:
    path.write_text("port = 1\nmax-topics = 1\nmax-backlog = 1")
    told = resolve(
        of_command_line({"port": "3", "max_topics": None}),
        of_environment({"MERCURE_PORT": "2", "MERCURE_MAX_TOPICS": "2"}),
        read_config_file(str(path)),
    )
    assert (told.options.port, told.options.max_topics, told.options.max_backlog) == (3, 2, 1)
    assert told.options.max_body_size == Options().max_body_size


def test_errors_name_the_source_that_counts() -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(
            of_command_line({"max_topics": "x"}),
            of_environment({"MERCURE_PORT": "tcp://10.0.0.1:80", "MERCURE_MAX_TOPICS": "y"}),
        )
    assert str(caught.value) == (
        "MERCURE_PORT: 'tcp://10.0.0.1:80' is no port; give a number from 1 to 65535, or 0 for any free one; "
        "--max-topics: 'x' is not a whole number; give how many"
    )


def test_a_value_that_does_not_count_is_not_looked_at() -> None:
    environment = of_environment({"MERCURE_PORT": "tcp://10.0.0.1:80"})
    assert resolve(of_command_line({"port": "80"}), environment).options.port == 80


def test_an_empty_variable_says_nothing() -> None:
    environment = {"MERCURE_PORT": "", "MERCURE_DEBUG": " ", "MERCURE_PUBLISHER_SECRET": ""}
    assert of_environment(environment) == {}


@pytest.mark.parametrize(("word", "value"), [("false", False), ("No", False), ("0", False), ("TRUE", True)])
def test_flags_of_the_environment_are_words(word: str, value: bool) -> None:
    options = resolve(of_environment({"MERCURE_SUBSCRIPTIONS": word, "MERCURE_DEBUG": word})).options
    assert (options.subscriptions, options.debug) == (value, value)


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"MERCURE_PUBLISHER_JWT_KEY": "c"}, "c"),
        ({"MERCURE_PUBLISHER_JWT_KEY": "c", "MERCURE_PUBLISHER_SECRET_KEY": "b"}, "b"),
        ({"MERCURE_PUBLISHER_SECRET_KEY": "b", "MERCURE_PUBLISHER_SECRET": "a"}, "a"),
        ({"MERCURE_PUBLISHER_SECRET_KEY": "b", "MERCURE_PUBLISHER_SECRET": ""}, "b"),
    ],
)
def test_a_key_has_its_apps_variables_too(variables: dict[str, str], found: str) -> None:
    assert resolve(of_environment(variables)).options.publisher_secret == found


def test_a_secret_is_in_no_error_and_no_representation() -> None:
    secret = {"MERCURE_ISSUERS": "my secret", "MERCURE_PUBLISHER_SECRET": "my secret"}
    with pytest.raises(ConfigurationError) as caught:
        resolve(of_environment(secret))
    assert str(caught.value).startswith("MERCURE_ISSUERS: the value is not JSON")
    told = resolve(of_environment({"MERCURE_PUBLISHER_SECRET": "my secret"}))
    assert "my secret" not in f"{caught.value} {of_environment(secret)} {told}"


def test_the_defaults_are_those_of_the_server() -> None:
    options, limits = Options(), HttpLimits()
    assert (options.head_timeout, options.body_timeout, options.idle_timeout) == (10, 30, 75)
    assert (options.max_head_size, options.max_body_size) == (limits.head_size, limits.body_size)
    assert (options.host, options.port, options.admin_host, options.admin_port) == (
        *("127.0.0.1", 5500),
        *("127.0.0.1", None),
    )
