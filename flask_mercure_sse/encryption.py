"""Updates that the hub cannot read: their data is a JSON Web Encryption (`Mercure 1.0, Encryption`).

The cryptography is joserfc's work. What is decided here is which algorithm goes with which key, and what a
message carries so that its reader can tell it from one that is sent again.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from .integrations.content import Encode, encoded, own_data, plain_json
from .protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from joserfc.jwk import Key

CONTENT = "A256GCM"
"""How the content is encrypted, whatever the key."""

AGREEMENT = "ECDH-ES+A256KW"

KINDS: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("oct", ""): ("dir", ("k",)),
    ("EC", "P-256"): (AGREEMENT, ("crv", "x", "y")),
    ("EC", "P-384"): (AGREEMENT, ("crv", "x", "y")),
    ("OKP", "X25519"): (AGREEMENT, ("crv", "x")),
    ("RSA", ""): ("RSA-OAEP-256", ("n", "e")),
}
"""For each kind of key (``kty``, ``crv``) the one algorithm for it, and the members that make it up."""

FIX = (
    "give a JSON Web Key: either oct with 256 bits, as Encryption.new_key() makes it, or the reader's public "
    "key, of P-256, P-384, X25519 or RSA with 2048 bits or more"
)


class Encryption:
    """Encrypts what updates carry for those who have the key; the hub is not among them.

    The key says how: oct is used as ``dir``, elliptic curves as ``ECDH-ES+A256KW``, RSA as ``RSA-OAEP-256``,
    and all of them with ``A256GCM``. There is no way to ask for anything else.

    Readers get the key some other way than over the hub, such as from a view that knows who asks, answers its
    own site only and forbids to store the answer. One key is for one audience: whoever has it reads every
    message under it. An oct key lets its readers write as well, and a public key lets everybody write, so
    what may be published, and by whom, stays the business of publishers' tokens.

    To change a key, give the readers the new one next to the old one, encrypt with the new one, and drop the
    old one when nothing under it is on its way any more; each message says in ``kid`` which of them opens it.
    Do it from time to time, since a key that gets out opens all that was ever encrypted with it, and for an
    oct key before 2**32 messages.

    :param key: a JSON Web Key, as a mapping or as JSON.
    :param encode: returns data as JSON; ``app.json.dumps`` to do it as Flask does.
    :raises ConfigurationError: the key cannot be used, or joserfc is missing. The text never shows the key.
    """

    def __init__(self, key: Mapping[str, Any] | str | bytes, *, encode: Encode = plain_json) -> None:
        given = _parsed(key)
        algorithm, members = _use(given)
        self.algorithm: str = algorithm
        self.kid: str | None = given.get("kid")
        """The key's name, None where it has none."""
        self._encode = encode
        self._key = self._tried({name: given.get(name) for name in ("kty", *members)})

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} {self.algorithm}, kid {self.kid!r}>"

    @staticmethod
    def new_key() -> dict[str, str]:
        """Return a new secret key of 256 bits with a ``kid``; a browser can import it as it is."""
        return {
            "kty": "oct",
            "use": "enc",
            "alg": CONTENT,
            "kid": secrets.token_urlsafe(8),
            "k": secrets.token_urlsafe(32),
        }

    def encrypt(self, data: object) -> str:
        """Return data as a compact JWE: an encrypted JSON Web Token that has the data in its claim ``data``.

        Encryption alone does not show that a hub sends an old message again. For that there are ``iat``, the
        time in seconds since the epoch, and ``jti``, never the same twice: a reader refuses what is too old
        and what it has had.

        :param data: a text, or anything JSON can encode.
        :raises InvalidUpdate: JSON cannot encode it.
        """
        claims = {"iat": int(time.time()), "jti": secrets.token_urlsafe(16), "data": own_data(data)}
        return self._sealed(encoded(claims, self._encode), self._key)

    def _sealed(self, text: str, key: Key) -> str:
        from joserfc.jwe import encrypt_compact

        header = {"alg": self.algorithm, "enc": CONTENT, "typ": "JWT"}
        if self.kid is not None:
            header["kid"] = self.kid
        return encrypt_compact(header, text, key, algorithms=[self.algorithm, CONTENT])

    def _tried(self, members: dict[str, Any]) -> Key:
        """Return the key that is made up of these members, once it has encrypted something."""
        try:
            from joserfc.jwk import import_key
        except ImportError as error:
            raise ConfigurationError(
                "encryption needs joserfc: pip install 'flask-mercure-sse[encryption]'"
            ) from error
        key = None
        try:
            key = import_key(members)
            self._sealed("", key)
        except Exception:
            key = None
        # Raised out here: what a library says of a key may quote it, and an error remembers what led to it.
        if key is None:
            raise ConfigurationError(f"the encryption key is broken or of another size; {FIX}")
        return key


def _parsed(key: object) -> dict[str, Any]:
    """Return the members of a key."""
    if isinstance(key, (str, bytes)):
        try:
            key = json.loads(key)
        except ValueError:
            key = None
    if not isinstance(key, Mapping):
        raise ConfigurationError(f"the encryption key is not a JSON Web Key; {FIX}")
    return dict(cast("Mapping[str, Any]", key))


def _use(key: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the algorithm for a key and the members that it needs, where nothing in the key forbids it."""
    algorithm, members = KINDS.get((str(key.get("kty")), str(key.get("crv", ""))), ("", ()))
    if not algorithm:
        raise ConfigurationError(f"the encryption key is of a kind that is not used; {FIX}")
    if "d" in key:
        raise ConfigurationError(
            "the encryption key is a private key, which is its reader's alone; give the public key"
        )
    # Of an oct key alg may be how the content is encrypted, which is what browsers take and write.
    meant_for = (algorithm, CONTENT) if algorithm == "dir" else (algorithm,)
    if key.get("use", "enc") != "enc" or key.get("alg", algorithm) not in meant_for:
        raise ConfigurationError(f"the encryption key is not meant for {algorithm} with {CONTENT}; {FIX}")
    if not isinstance(key.get("kid", ""), str):
        raise ConfigurationError("the encryption key has a kid that is not a text; give it one that is")
    return algorithm, members
