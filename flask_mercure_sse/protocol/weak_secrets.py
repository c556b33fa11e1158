"""Secrets that others have or can guess: with one of them anybody makes tokens."""

from __future__ import annotations

import re

from .keys import KEY_LENGTH, SECRET_ALGORITHMS, Key

_LENGTHS = {"HS256": KEY_LENGTH, "HS384": 48, "HS512": 64}
"""Bytes of a secret, at least (`RFC 7518, HMAC with SHA-2 Functions`)."""

_EXAMPLES = re.compile(
    rb"(?<![a-z])change[^a-z]{0,2}(?:me|this)"  # !ChangeThisMercureHubJWTSecretKey!, !ChangeMe!
    rb"|your-\d+-bit-secret"
    rb"|string-secret-(?:that-is-)?at-least-\d+"
    rb"|very.?secret.?key",
    re.IGNORECASE,
)
"""What the secrets have in common that documentation, templates and token debuggers show."""

MIN_VARIETY = 8
"""Different bytes of a secret: random ones of 32 bytes have more, in every way to write them."""


def weakness(key: Key) -> str | None:
    """Say why a key is no secret of its owner's, None where nothing is known against it.

    :returns: the end of a sentence that begins with the setting's name. A public key is not weak.
    """
    if key.algorithms[0] not in SECRET_ALGORITHMS:
        return None
    if _EXAMPLES.search(key.material):
        return "is a secret that examples show, so everybody has it"
    algorithm = max(key.algorithms, key=_LENGTHS.__getitem__)
    if len(key.material) < _LENGTHS[algorithm]:
        return f"is shorter than the {_LENGTHS[algorithm]} bytes that {algorithm} needs"
    if len(set(key.material)) < MIN_VARIETY:
        return "repeats a few characters, so it can be guessed"
    return None
