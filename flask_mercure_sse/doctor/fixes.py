"""What to change, by what a hub answers."""

from __future__ import annotations

UNREACHABLE = (
    "start the hub, or correct MERCURE_HUB_URL and MERCURE_PUBLIC_HUB_URL; for an authority of your own set "
    "MERCURE_CA_FILE"
)
NO_HUB = "correct the URL: its path is usually /.well-known/mercure, and a proxy must pass it on to the hub"
BUFFERING = (
    "switch buffering and compression off for the hub's path in the proxy before the hub; nginx: "
    "proxy_buffering off; gzip off; proxy_http_version 1.1"
)
OTHER_NAME = (
    "name this URL to the hub as one of its own (public_urls of Mercure.rocks), or correct it; a proxy must "
    "pass the host on"
)
COOKIE = (
    "MERCURE_AUTHZ_COOKIE_NAME must be the hub's name of it, and a proxy must pass cookies on. Over plain "
    "HTTP Mercure.rocks 1.0 reads __Secure-mercure_access_token alone, unless its cookie_name says another"
)
_TRUST = (
    "MERCURE_PROTOCOL the version that it speaks; in 1.0 it must trust MERCURE_ISSUER, and know "
    "MERCURE_PUBLIC_HUB_URL as its own"
)
_FULL = "the hub has as many subscribers as it may; raise its limit"
_SUBSCRIBERS = f"MERCURE_SUBSCRIBER_SECRET_KEY must be the hub's key for subscribers, and {_TRUST}"

SUBSCRIBING = {
    400: "set MERCURE_PROTOCOL to the version that the hub speaks",
    401: _SUBSCRIBERS,
    403: _SUBSCRIBERS,
    404: NO_HUB,
    421: OTHER_NAME,
    429: _FULL,
    503: _FULL,
}
PRESENCE: dict[int | None, str] = {
    401: _SUBSCRIBERS,
    403: _SUBSCRIBERS,
    404: "switch the hub's subscriptions on, where you need them",
}
PUBLISHING = {
    400: "MERCURE_PROTOCOL must be the version that the hub speaks, and MERCURE_PUBLISHER_JWT a token of it",
    401: "MERCURE_PUBLISHER_SECRET_KEY must be the hub's key for publishers, or MERCURE_PUBLISHER_JWT made "
    f"with it, and {_TRUST}",
    403: "the token in MERCURE_PUBLISHER_JWT must grant the topics, '*' for all",
    404: NO_HUB,
    405: "an app with an embedded hub needs MERCURE_HUB_ALLOW_PUBLISH; else a proxy must let POST pass",
    421: OTHER_NAME,
    413: "raise the proxy's or the hub's limit of a body",
}
_OF_NAMED = {
    "MERCURE_HUB_URL": "url",
    "MERCURE_PUBLIC_HUB_URL": "public_url",
    "MERCURE_PUBLISHER_JWT": "publisher_jwt",
    "MERCURE_PUBLISHER_SECRET_KEY": "publisher_secret_key",
    "MERCURE_SUBSCRIBER_SECRET_KEY": "subscriber_secret_key",
    "MERCURE_AUTHZ_COOKIE_NAME": "authz_cookie_name",
}
"""What a hub in ``MERCURE_HUBS`` has in the place of a setting."""


def of_named(fix: str, name: str) -> str:
    """Return what to change where the hub is one of ``MERCURE_HUBS``."""
    for setting, key in _OF_NAMED.items():
        fix = fix.replace(setting, f"MERCURE_HUBS[{name!r}][{key!r}]")
    return fix
