"""Topics inside and outside the hub's reserved namespace (`Mercure 1.0, Reserved Hub Namespace`)."""

from __future__ import annotations

from .hub import Hub

RESERVED = {
    "the hub": "{path}",
    "the hub's URL": "{url}",
    "below the hub": "{path}/subscriptions/exact/x/y",
    "the API": "{path}/subscriptions",
    "a slash at the end": "{path}/",
    "a query": "{path}?x",
    "a fragment": "{path}#x",
    "another host": "http://other.example{path}",
    "another scheme": "foo:{path}",
    "another scheme with a host": "ftp://other.example{path}/x",
    "a WebSocket": "wss://other.example{path}/x",
    "the scheme of the page": "//other.example{path}",
    "user and port": "https://user:pass@other.example:8443{path}",
    "an address": "http://[::1]:3000{path}",
    "relative to the hub": "{name}",
    "relative with a dot": "./{name}/x",
    "relative with two dots": "../../..{path}/x",
    "nothing": "",
    "only a query": "?x",
    "only a fragment": "#x",
    "dot segments": "/x/..{path}",
    "dot segments in the middle": "{parent}/./x/../{name}/y",
    "encoded dot segments": "/x/%2e%2e{path}",
    "encoded dots in capitals": "/x/%2E%2E{path}",
    "half encoded dots": "/x/.%2e{path}",
    "an encoded letter": "{parent}/{escaped}/x",
    "an encoded letter in small hexadecimal": "{parent}/{escaped_small}",
    "every letter encoded": "{parent}/{escaped_all}",
    "backslashes": "https://other.example{backslashes}",
    "a backslash in front": "{backslashes}",
    "spaces around": " {name} ",
    "more slashes before the host": "https:///other.example{path}",
    "a host of another case": "HTTPS://OTHER.EXAMPLE{path}",
}
"""Texts that a browser resolves to the hub or below it, whatever scheme and host."""

RELATIVE_WITH_SCHEME = "{scheme}:{name}"
"""Relative in spite of its scheme, because that is the hub's own (`URL, scheme state`)."""

FREE = {
    "a longer name": "{path}X",
    "a longer name below": "{path}X/subscriptions",
    "the path below another": "https://example.com/a{path}",
    "outside the folder": "../{name}/x",
    "only the name of the API": "subscriptions/x",
    "an opaque path": "urn:x:{name}",
    "an encoded slash": "{parent}%2F{name}",
    "an escape encoded twice": "{parent}/{escaped_twice}/x",
    "a text that is no URL": "http://[",
    "another case": "{capitals}",
    "the path as a query": "https://example.com/?{path}",
    "the path as a fragment": "https://example.com/#{path}",
    "the folder": "{parent}/",
    "another well-known place": "/.well-known/security.txt",
    "the path as a host": "https://{name}/x",
}
"""Texts that only look as if they did."""


def filled(hub: Hub, text: str) -> str:
    """Return the text with the hub's own path in it."""
    parent, _slash, name = hub.path.rpartition("/")
    first = f"{ord(name[0]):02X}"
    return text.format(
        path=hub.path,
        url=hub.url,
        scheme=hub.url.partition(":")[0],
        parent=parent,
        name=name,
        escaped=f"%{first}{name[1:]}",
        escaped_small=f"%{first.lower()}{name[1:]}",
        escaped_twice=f"%25{first}{name[1:]}",
        escaped_all="".join(f"%{ord(letter):02X}" for letter in name),
        backslashes=hub.path.replace("/", "\\"),
        capitals=hub.path.upper(),
    )
