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
_FULL = "the hub has as many subscribers as it may; raise its limit"
_SUBSCRIBERS = (
    "MERCURE_SUBSCRIBER_SECRET_KEY must be the hub's key for subscribers, and MERCURE_PROTOCOL the version "
    "that it speaks"
)

SUBSCRIBING = {
    400: "set MERCURE_PROTOCOL to the version that the hub speaks",
    401: _SUBSCRIBERS,
    403: _SUBSCRIBERS,
    404: NO_HUB,
    429: _FULL,
    503: _FULL,
}
PUBLISHING = {
    401: "MERCURE_PUBLISHER_SECRET_KEY must be the hub's key for publishers, or MERCURE_PUBLISHER_JWT made "
    "with it",
    403: "the token in MERCURE_PUBLISHER_JWT must grant the topics, '*' for all",
    404: NO_HUB,
    405: "an app with an embedded hub needs MERCURE_HUB_ALLOW_PUBLISH; else a proxy must let POST pass",
    413: "raise the proxy's or the hub's limit of a body",
}
