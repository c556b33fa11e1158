"""The hub under attack, in each protocol; whatever a test does to it, no secret may come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .target import SPOKEN, Target

MakeTarget = Callable[..., Target]

IN_0 = pytest.mark.parametrize("spoken", [one for one in SPOKEN if one[1] == "0.x"], ids="-".join)
IN_1 = pytest.mark.parametrize("spoken", [one for one in SPOKEN if one[1] == "1.0"], ids="-".join)
IN_1_ALONE = pytest.mark.parametrize("spoken", [("1.0", "1.0")], ids="-".join)
IN_BOTH = pytest.mark.parametrize("spoken", [one for one in SPOKEN if one[0] == "both"], ids="-".join)
IN_ONE = pytest.mark.parametrize("spoken", [one for one in SPOKEN if one[0] != "both"], ids="-".join)
"""The tests of a rule that the others do not have."""


@pytest.fixture(params=SPOKEN, ids="-".join)
def spoken(request: pytest.FixtureRequest) -> tuple[str, str]:
    """What the hub speaks, and what is spoken to it."""
    return request.param


@pytest.fixture
def make(
    spoken: tuple[str, str], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> Iterator[MakeTarget]:
    """Make hubs with options; at the end no token and no key of theirs is in a log, an output or an answer."""
    caplog.set_level("DEBUG")
    made: list[Target] = []

    def make_target(**options: Any) -> Target:
        made.append(Target(*spoken, **options))
        return made[-1]

    yield make_target
    for target in made:
        target.close()
    told = "".join([caplog.text, *capsys.readouterr(), *(target.told_answers for target in made)])
    leaked = [secret for target in made for secret in target.secrets if secret in told]
    assert not leaked


@pytest.fixture
def target(make: MakeTarget) -> Target:
    """A hub with the usual options."""
    return make()
