"""The hub's URLs, as the app and as browsers reach it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

from flask import has_request_context, request

from .config import MercureConfig
from .protocol.errors import ConfigurationError
from .protocol.forms import Fields
from .protocol.version import HUB_PATH

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def public_hub_url(config: MercureConfig, app_config: Mapping[str, Any]) -> str:
    """Return the hub's URL for browsers.

    An embedded hub is at the host of the request. Outside a request it is at SERVER_NAME, and without that
    the URL has a path alone, which browsers resolve.
    """
    url = config.public_hub_url or (None if config.embedded else config.external_hub_url)
    return url if isinstance(url, str) else _own_url(app_config)


def hub_identity(config: MercureConfig, app_config: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return the URL by which tokens name the hub, and whether clients reach it there.

    It never comes from a request, whose host is whatever its sender says. Where no setting tells it, an
    embedded hub has one that names it to its own app alone, and another hub has none.
    """
    url = config.public_hub_url or (None if config.embedded else config.external_hub_url)
    if isinstance(url, str):
        return url, True
    if app_config["SERVER_NAME"]:
        return _app_url(app_config), True
    return (f"http://localhost{_app_url(app_config)}" if config.embedded else None), False


def internal_hub_url(config: MercureConfig, app_config: Mapping[str, Any]) -> str:
    """Return the hub's URL for this app.

    :raises ConfigurationError: MERCURE_HUB_URL is True and the host of the request may be forged: with it
        the publisher's token would go to whoever forged it.
    """
    if config.embedded:
        return _own_url(app_config)
    url = config.external_hub_url
    if isinstance(url, str):
        return url
    if not has_request_context():
        raise ConfigurationError(
            "MERCURE_HUB_URL is True and there is no request to take the host from: set it to the hub's URL"
        )
    if not _host_is_known(app_config):
        raise ConfigurationError(
            "MERCURE_HUB_URL is True, and the host of a request is whatever its sender says: the publisher's "
            "token must not go there. Set MERCURE_HUB_URL to the hub's URL, or TRUSTED_HOSTS to your hosts"
        )
    return _own_url(app_config)


def subscribe_url(hub_url: str, query: Fields) -> str:
    """Return a URL that subscribes: the hub's URL and a query."""
    return f"{hub_url}?{urlencode(query, quote_via=quote)}" if query else hub_url


def path_of(hub_url: str) -> str:
    """Return the path of a hub's URL."""
    return urlsplit(hub_url).path


def _own_url(app_config: Mapping[str, Any]) -> str:
    if has_request_context():
        return f"{request.root_url.rstrip('/')}{HUB_PATH}"
    return _app_url(app_config)


def _app_url(app_config: Mapping[str, Any]) -> str:
    server = app_config["SERVER_NAME"]
    origin = f"{app_config['PREFERRED_URL_SCHEME']}://{server}" if server else ""
    return f"{origin}{str(app_config['APPLICATION_ROOT']).rstrip('/')}{HUB_PATH}"


def _host_is_known(app_config: Mapping[str, Any]) -> bool:
    hostname = (urlsplit(request.root_url).hostname or "").lower()
    trusted = cast("object", request.trusted_hosts)
    if bool(trusted) or request.host == app_config["SERVER_NAME"]:
        return True
    # In production even a name of this machine may be made up, to reach another of its ports.
    return hostname in LOOPBACK and bool(app_config["DEBUG"] or app_config["TESTING"])
