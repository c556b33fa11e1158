"""Configuration: read once, checked as a whole, with errors that name the key and the fix."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_mercure_sse import ConfigurationError, MercureConfig, MercureSSE

URL = "https://hub.example.com/.well-known/mercure"


def read(
    mapping: dict[str, Any], environment: dict[str, str] | None = None, **defaults: Any
) -> MercureConfig:
    return MercureConfig.from_mapping(mapping, defaults, environment or {})


def test_the_defaults_are_the_documented_ones() -> None:
    config = read({})
    assert (config.hub_url, config.public_hub_url, config.hub, config.publisher_jwt) == (
        None,
        None,
        None,
        None,
    )
    assert config.embedded
    assert config.authz_cookie_name is None
    assert (config.type_is_topic, config.hub_allow_publish) == (False, False)
    assert (config.hub_allow_anonymous, config.hub_subscriptions) == (True, True)
    assert (config.hub_keepalive_interval, config.hub_reconciliation_length) == (15, 500)
    assert (config.connect_timeout, config.read_timeout) == (2, 5)
    assert (config.publish, config.queue_full, config.queue_size) == ("background", "error", 16 * 2**20)
    assert (config.retry_for, config.flush_timeout, config.ca_file, config.hubs) == (600, 5, None, {})


def test_the_apps_config_wins_over_an_option(app: Flask) -> None:
    app.config["MERCURE_TYPE_IS_TOPIC"] = False
    app.config["MERCURE_HUB_RECONCILIATION_LENGTH"] = 7
    MercureSSE(app, type_is_topic=True, hub_reconciliation_length=9, hub_keepalive_interval=3)
    config = app.extensions["mercure_sse"].config
    assert (config.type_is_topic, config.hub_reconciliation_length, config.hub_keepalive_interval) == (
        False,
        7,
        3,
    )


def test_options_of_init_app_win_over_those_of_the_class(app: Flask) -> None:
    MercureSSE(hub_keepalive_interval=3, type_is_topic=True).init_app(app, hub_keepalive_interval=0)
    config = app.extensions["mercure_sse"].config
    assert (config.hub_keepalive_interval, config.type_is_topic) == (0, True)


def test_the_mode_outbox_is_the_outbox() -> None:
    assert read({"MERCURE_PUBLISH": "outbox"}).outbox
    assert read({"MERCURE_PUBLISH": "outbox", "MERCURE_OUTBOX": "true"}).outbox
    assert not read({"MERCURE_PUBLISH": "background"}).outbox


def test_the_outbox_fits_each_mode() -> None:
    for mode in ("sync", "background"):
        config = read({"MERCURE_PUBLISH": mode, "MERCURE_OUTBOX": True})
        assert (config.publish, config.outbox) == (mode, True)


def test_the_mode_outbox_without_the_outbox_is_an_error_that_names_both_keys(app: Flask) -> None:
    app.config.update(MERCURE_PUBLISH="outbox", MERCURE_OUTBOX="false")
    with pytest.raises(ConfigurationError) as raised:
        MercureSSE(app)
    assert str(raised.value) == (
        "MERCURE_PUBLISH: 'outbox' contradicts MERCURE_OUTBOX: False; leave MERCURE_OUTBOX out, or set "
        "MERCURE_PUBLISH to background or sync"
    )


def test_a_further_hub_needs_a_token_or_a_key() -> None:
    app = Flask("without a key")
    app.config["MERCURE_HUBS"] = {"eu": URL}
    with pytest.raises(ConfigurationError, match="MERCURE_HUBS: 'eu' has no token for publishing"):
        MercureSSE(app)


@pytest.mark.parametrize("url", [URL, "https://hub.example.com", "https://hub.example.com/"])
def test_the_path_of_a_hub_may_be_left_out(url: str) -> None:
    assert read({"MERCURE_HUB_URL": url}).hub_url == URL


def test_a_hub_that_is_not_embedded_and_has_no_url_is_the_one_on_this_machine() -> None:
    config = read({"MERCURE_HUB": False})
    assert (config.embedded, config.external_hub_url) == (False, "http://localhost:5500/.well-known/mercure")


def test_the_hub_can_be_embedded_in_spite_of_a_url() -> None:
    assert read({"MERCURE_HUB": True, "MERCURE_HUB_URL": URL}).embedded


def test_the_reference_hubs_variables_are_read_where_no_key_is_given() -> None:
    environment = {
        "MERCURE_PUBLISHER_JWT_KEY": "from the environment",
        "MERCURE_SUBSCRIBER_JWT_KEY": "ignored",
    }
    config = read({"MERCURE_SUBSCRIBER_SECRET_KEY": "from the app"}, environment)
    assert (config.publisher_secret_key, config.subscriber_secret_key) == (
        "from the environment",
        "from the app",
    )


def test_secrets_are_not_in_the_representation() -> None:
    config = read(
        {
            "MERCURE_PUBLISHER_SECRET_KEY": "hidden",
            "MERCURE_SUBSCRIBER_SECRET_KEY": "hidden",
            "MERCURE_HUBS": {"eu": {"url": URL, "publisher_secret_key": "hidden"}},
        }
    )
    assert "hidden" not in repr(config)


def test_an_app_with_an_unknown_key_does_not_start(app: Flask) -> None:
    app.config["MERCURE_HUB_KEEP_ALIVE_INTERVAL"] = 3
    with pytest.raises(ConfigurationError, match="did you mean MERCURE_HUB_KEEPALIVE_INTERVAL"):
        MercureSSE(app)
    assert "mercure_sse" not in app.extensions


def test_all_problems_are_told_together() -> None:
    with pytest.raises(ConfigurationError) as raised:
        read({"MERCURE_HUB_URL": "nowhere", "MERCURE_HUB": "maybe"})
    assert "MERCURE_HUB_URL" in str(raised.value)
    assert "MERCURE_HUB: " in str(raised.value)


def test_an_external_hub_needs_a_publisher_token_or_secret() -> None:
    app = Flask("without a key")
    with pytest.raises(ConfigurationError, match="MERCURE_PUBLISHER_JWT is required"):
        MercureSSE(app, hub_url=URL)
    MercureSSE(Flask("with a token"), hub_url=URL, publisher_jwt="a.b.c")
    MercureSSE(Flask("with a secret"), hub_url=URL, publisher_secret_key="x" * 32)


def test_a_short_secret_is_told_once_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("short")
    app.config.update(SECRET_KEY="dev")
    MercureSSE(app, publisher_secret_key="also short")
    assert [message.partition(" has ")[0] for message in caplog.messages] == [
        "MERCURE_PUBLISHER_SECRET_KEY",
        "SECRET_KEY",
    ]


def test_the_same_app_twice_is_an_error(app: Flask, mercure: MercureSSE) -> None:
    with pytest.raises(ConfigurationError, match="registered with this app already"):
        mercure.init_app(app)
