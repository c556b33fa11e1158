"""Publishing in Mercure 0.x (`Mercure 0.x, Publication`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client import Stream
from .hub import Hub
from .reserved import FREE, RELATIVE_WITH_SCHEME, RESERVED, filled

UNCLEAN = {
    "an escape character": "\x1b",
    "delete": "\x7f",
    "next line": "\x85",
    "a zero-width space": "\u200b",
    "a change of direction": "\u202e",
}


@pytest.mark.choice("the reference hub looks for the path anywhere in the text, and only since its last 0.x")
@pytest.mark.parametrize("text", RESERVED.values(), ids=RESERVED)
def test_nobody_publishes_in_the_hubs_reserved_namespace(hub: Hub, text: str) -> None:
    """`Mercure 1.0, Reserved Hub Namespace`."""
    assert hub.post([("topic", filled(hub, text))]).status in (400, 403)


@pytest.mark.choice("the reference hub resolves against https, whatever scheme it has itself")
def test_a_topic_with_the_hubs_scheme_may_be_relative_all_the_same(hub: Hub) -> None:
    """`Mercure 1.0, Reserved Hub Namespace`; `URL, scheme state`."""
    assert hub.post([("topic", filled(hub, RELATIVE_WITH_SCHEME))]).status in (400, 403)


@pytest.mark.choice("the reference hub looks for the path anywhere in the text")
@pytest.mark.parametrize("text", FREE.values(), ids=FREE)
def test_what_only_looks_reserved_is_free(hub: Hub, text: str) -> None:
    """`Mercure 1.0, Reserved Hub Namespace`."""
    assert hub.post([("topic", filled(hub, text))]).status == 200


@pytest.mark.choice("the reference hub checks it since its last 0.x")
def test_presence_cannot_be_forged(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, Subscription Events`: also not as an alternate, also not with the right to all topics."""
    forged = f"{hub.api}/{topic[-32:]}/urn%3Auuid%3A1"
    for topics in ([forged], [topic, forged], [hub.origin + forged]):
        assert hub.post([("topic", one) for one in topics]).status in (400, 403)


@pytest.mark.choice("the reference hub does not check it")
def test_an_id_that_begins_with_a_number_sign_is_the_hubs_alone(hub: Hub, topic: str) -> None:
    """`Mercure 0.x, Publication`."""
    assert hub.post([("topic", topic), ("id", "#1")]).status == 400


@pytest.mark.choice("the reference hub takes it, and then cannot tell it from the request for all")
def test_an_update_cannot_be_called_earliest(hub: Hub, topic: str) -> None:
    """`Mercure 1.0, Publication`."""
    assert hub.post([("topic", topic), ("id", "earliest")]).status == 400


@pytest.mark.choice("the reference hub refuses NUL, CR and LF in id and type alone")
@pytest.mark.parametrize("field", ["topic", "id", "type"])
@pytest.mark.parametrize(
    "character", [*UNCLEAN.values(), "\n", "\r", "\0"], ids=[*UNCLEAN, "LF", "CR", "NUL"]
)
def test_text_that_is_not_clean_is_refused(hub: Hub, topic: str, field: str, character: str) -> None:
    """`Mercure 1.0, Terminology`."""
    fields = [] if field == "topic" else [("topic", topic)]
    assert hub.post([*fields, (field, f"{topic}a{character}b")]).status == 400


@pytest.mark.choice("the reference hub takes any bytes")
@pytest.mark.parametrize("field", ["topic", "data", "id", "type"])
@pytest.mark.parametrize("raw", ["%FF", "%C3", "%C0%AF", "%ED%A0%80", "%F5%80%80%80"])
def test_text_that_is_not_utf_8_is_refused(hub: Hub, topic: str, field: str, raw: str) -> None:
    """`Mercure 1.0, Publication`."""
    assert hub.post(f"topic={topic}&{field}=a{raw}").status == 400


def test_a_text_that_is_no_url_may_be_a_topic(
    hub: Hub, topic: str, publish: Callable[..., str], open_stream: Callable[..., Stream]
) -> None:
    """`Mercure 0.x, Publication`."""
    name = f"é {{ {topic[-32:]}"
    stream = open_stream(name)
    id = publish(name)
    assert stream.next().id == id
