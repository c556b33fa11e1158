"""The documentation of the hub in production says what there is."""

from __future__ import annotations

import re
from pathlib import Path

from flask_mercure_sse.server.config_file import read_config_file
from flask_mercure_sse.server.options import OPTIONS
from flask_mercure_sse.server.sources import resolve
from tests.server.processes import ROOT

TEXT = (ROOT / "docs/production.md").read_text()
[TOML] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def test_the_file_that_is_shown_has_every_key_and_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(TOML)

    told = resolve(read_config_file(str(path)))

    assert set(told.labels) == set(OPTIONS)


def test_the_values_that_are_shown_are_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(TOML)
    options = resolve(read_config_file(str(path))).options

    shown = {name: getattr(options, name) for name, option in OPTIONS.items() if option.default is not None}

    assert shown == {name: OPTIONS[name].default for name in shown}


def test_the_keys_are_in_the_order_of_the_help() -> None:
    keys = re.findall(r"^([a-z-]+) = ", TOML.partition("[issuers")[0], re.MULTILINE)

    assert keys == [option.key for option in OPTIONS.values() if option.key != "issuers"]


def test_every_option_and_variable_that_is_named_exists() -> None:
    flags = {option.flag for option in OPTIONS.values()} | {"--config"}
    variables = {name for option in OPTIONS.values() for name in option.variables} | {"MERCURE_CONFIG"}
    elsewhere = {"--no-cache-dir", "--env-file", "--ulimit", "--stop-timeout", "--time"}

    assert set(re.findall(r"(?<![\w-])--[a-z-]+", TEXT)) - elsewhere <= flags
    assert set(re.findall(r"MERCURE_\w+", TEXT)) <= variables
