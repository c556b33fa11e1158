"""Keys that an issuer of tokens publishes as a JWK Set on the web."""

from __future__ import annotations

import ipaddress
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from ..hub.forks import renew_in_children
from ..protocol.keys import Key, read_key_set

logger: logging.Logger = logging.getLogger(__name__)

MAX_SIZE = 256 * 1024
"""Bytes of a JWK Set."""

MAX_AGE = 24 * 60 * 60.0
"""Seconds that keys are used for while the issuer cannot be reached; then no token of its is believed."""

RETRY_AFTER = 10.0
"""Seconds after a failure until the issuer is asked again, so that no crowd of tokens makes a storm."""

REFRESH_PAUSE = 30.0
"""Seconds between two times that the issuer is asked because of tokens with an unknown key."""

MAX_FETCHES = 3
"""Fetches that may be under way at once, of which all but one are given up.

A thread cannot be ended from outside, and an issuer that sends its headers byte by byte, or a name that takes
long to resolve, holds it longer than any time limit of requests.
"""


@dataclass(frozen=True, slots=True)
class _Known:
    """Keys, and when they were asked for."""

    at: float
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Fetch:
    """An attempt to get the keys.

    :param at: when it began, in seconds of the clock.
    :param over: is set when it has succeeded, failed or been given up.
    """

    at: float
    over: threading.Event = field(default_factory=threading.Event)


class _Failure(Exception):
    """The keys cannot be had; the text is the end of a sentence that begins with their URL."""


class RemoteKeySet:
    """The keys of a JWK Set on the web: a :data:`~flask_mercure_sse.protocol.keys.KeySource`.

    The set is fetched when the keys are first needed, in a thread of its own, and remembered. When it has
    become old the keys go on being used while a new one is fetched, for a day at most. Nothing is ever
    raised: while no keys can be had there are none, so that no token is believed, and a warning is logged
    once.

    Each process fetches for itself; after a fork the keys that the parent knew go on being used.

    :param url: an https URL; http only for this machine (``localhost``, 127.0.0.0/8, ``::1``). It is not
        followed to another one.
    :param algorithms: those that are allowed; see :func:`~flask_mercure_sse.protocol.keys.read_key_set`.
    :param lifetime: until a set is fetched again, in seconds; at least 10 and at most a day, whatever is
        asked for.
    :param timeout: until a fetch is given up, in seconds; also how long the first callers wait.
    :param clock: returns a time that never goes back, in seconds.
    :raises ValueError: the URL or an algorithm cannot be used, or cryptography is missing. The text is the
        end of a sentence that begins with the setting's name.
    """

    def __init__(
        self,
        url: str,
        *,
        algorithms: Sequence[str] | None = None,
        lifetime: float = 300.0,
        timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = _checked(url)
        self._shown = url.partition("?")[0]  # a query may be a secret
        read_key_set({"keys": []}, algorithms)  # now and not in a thread
        self._algorithms = algorithms
        self._lifetime = min(max(lifetime, RETRY_AFTER), MAX_AGE)
        self._timeout = timeout
        self._clock = clock
        self._known: _Known | None = None
        self._due = float("-inf")
        """When the keys are to be fetched next."""
        self._began = float("-inf")
        """When the last fetch began."""
        self._out = False
        """Whether it has been logged that no keys can be had."""
        self._begin_anew()
        renew_in_children(self)

    def __repr__(self) -> str:
        return f"<RemoteKeySet {self._shown}: {len(self._usable())} keys>"

    def __call__(self) -> tuple[Key, ...]:
        """Return the keys, none while they cannot be had.

        Waits only where no usable keys are known and a fetch is under way, up to its time limit.
        """
        if self._clock() >= self._due:
            fetch = self._fetch()
            if fetch is not None and not self._usable() and not fetch.over.wait(self._timeout):
                self._fail(fetch, self._too_late())
        return self._usable()

    def refresh_soon(self) -> None:
        """Fetch the set again without waiting for it, because a token names a key that is not in it.

        Anybody can make such a token, so this is done rarely, whatever the number of calls.
        """
        now = self._clock()
        with self._lock:
            if now - self._began < REFRESH_PAUSE:
                return
            self._due = now
        self._fetch()

    def renew_after_fork(self) -> None:
        """Begin anew in a forked process: the fetch and whoever held the lock are the parent's."""
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._current: _Fetch | None = None
        self._under_way: set[_Fetch] = set()

    def _usable(self) -> tuple[Key, ...]:
        known = self._known
        return known.keys if known is not None and self._clock() - known.at < MAX_AGE else ()

    def _fetch(self) -> _Fetch | None:
        """Return the fetch that is under way, or begin one; None where it is not the time for one."""
        now = self._clock()
        with self._lock:
            fetch = self._current
            begins = fetch is None
            if fetch is None:
                if now < self._due or len(self._under_way) >= MAX_FETCHES:
                    return None
                fetch = self._current = _Fetch(now)
                self._under_way.add(fetch)
                self._began = now
        if begins:
            self._start(fetch)
        elif now - fetch.at >= self._timeout:
            self._fail(fetch, self._too_late())
        return fetch

    def _start(self, fetch: _Fetch) -> None:
        try:
            threading.Thread(target=self._run, args=(fetch,), name="mercure-key-set", daemon=True).start()
        except RuntimeError as error:  # too many threads, or the process is about to end
            self._under_way.discard(fetch)
            self._fail(fetch, f"could not be fetched: {error}")

    def _run(self, fetch: _Fetch) -> None:
        try:
            keys = read_key_set(self._document(fetch), self._algorithms)
        except (_Failure, ValueError) as failure:
            self._fail(fetch, str(failure))
        except Exception as error:  # whatever it is: the next attempt needs this one to be over
            self._fail(fetch, f"could not be read ({type(error).__name__})")
        else:
            self._succeed(fetch, keys)
        finally:
            self._under_way.discard(fetch)

    def _succeed(self, fetch: _Fetch, keys: tuple[Key, ...]) -> None:
        with self._lock:
            if self._current is not fetch:
                return
            self._current = None
            self._known = _Known(fetch.at, keys)
            self._due = fetch.at + self._lifetime
            was_out, self._out = self._out, not keys
        if not keys and not was_out:
            logger.warning("The JWK Set %s holds no key that can check tokens", self._shown)
        elif keys and was_out:
            logger.info("The JWK Set %s can be had again", self._shown)
        fetch.over.set()

    def _fail(self, fetch: _Fetch, problem: str) -> None:
        with self._lock:
            if self._current is not fetch:
                return
            self._current = None
            self._due = self._clock() + RETRY_AFTER
            was_out, self._out = self._out, True
        if not was_out:
            logger.warning("The JWK Set %s %s", self._shown, problem)
        fetch.over.set()

    def _too_late(self) -> str:
        return f"was not answered within {self._timeout:g} s"

    def _document(self, fetch: _Fetch) -> object:
        """Return the JSON behind the URL.

        What is logged is not the text of an exception, which may show the query.
        """
        try:
            with requests.Session() as session:
                # A proxy of the environment would take plain http off this machine.
                session.trust_env = urlsplit(self._url).scheme == "https"
                with session.get(
                    self._url,
                    headers={"Accept": ACCEPT, "Accept-Encoding": "identity"},
                    auth=_no_auth,
                    timeout=self._timeout,
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    return _parsed(self._body(response, fetch))
        except requests.exceptions.SSLError:
            raise _Failure("could not be reached: its certificate is not trusted, or TLS failed") from None
        except requests.Timeout:
            raise _Failure(self._too_late()) from None
        except requests.RequestException as error:
            raise _Failure(f"could not be reached ({type(error).__name__})") from None

    def _body(self, response: requests.Response, fetch: _Fetch) -> bytes:
        if response.status_code != 200:
            raise _Failure(f"was answered with {response.status_code}")
        if not _is_json(response.headers.get("Content-Type", "")):
            raise _Failure("was answered with something else than JSON")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise _Failure("was answered with a compressed body, which was not asked for")
        body = bytearray()
        for chunk in response.iter_content(1024):
            body += chunk
            if len(body) > MAX_SIZE:
                raise _Failure(f"is larger than {MAX_SIZE} bytes")
            if self._clock() - fetch.at >= self._timeout:
                raise _Failure(self._too_late())
        return bytes(body)


ACCEPT = "application/jwk-set+json, application/json"


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _Failure("was answered with a body that is not JSON") from None


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add nothing; without this requests would look for a password in the user's ``.netrc``."""
    return request


def _checked(url: str) -> str:
    """Return a URL of a key set, or raise ValueError with what is wrong."""
    fix = "give one such as https://issuer.example/.well-known/jwks.json"
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValueError(f"has a space, backslash or control character; {fix}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"is not a valid URL; {fix}") from None
    if parts.scheme not in ("https", "http") or not host or port == 0:
        raise ValueError(f"is not an https URL; {fix}")
    if "@" in parts.netloc:
        raise ValueError(f"has a user name or password; {fix}")
    if "#" in url:
        raise ValueError(f"has a fragment; {fix}")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError(f"is not an https URL, and anybody on the way could give other keys; {fix}")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
