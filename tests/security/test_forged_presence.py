"""Updates that pretend to be the hub's own: subscription events that nobody but the hub may tell."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.hub import Hub
from tests.conformance.reserved import FREE, RESERVED, filled

from .conftest import IN_BOTH, MakeTarget
from .target import API, HUB, SPOKEN, URL, Reader, Target

MORE_RESERVED = {
    "slashes without a scheme": "///other.example/.well-known/mercure",
    "mixed slashes": "/\\other.example\\.well-known/mercure",
    "a backslash after dots": "/x/..\\.well-known\\mercure\\x",
    "a scheme of another case": "hTTps://other.example/.well-known/mercure",
    "one slash after the scheme": "https:/.well-known/mercure/x",
    "a file": "file:///.well-known/mercure/x",
    "a file on a host": "file://host/.well-known/mercure",
    "user information with a slash": "https://a:b@c/.well-known/mercure",
    "a port that is none": "https://x:99999/.well-known/mercure",
    "an empty host": "foo:///.well-known/mercure",
    "encoded full stops of the folder": "/%2ewell-known/mercure",
    "everything encoded": "/%2E%77%65%6C%6C%2D%6B%6E%6F%77%6E/%6D%65%72%63%75%72%65/x",
    "more parents than folders": "/../../../.well-known/mercure",
    "a parent of itself": "/.well-known/mercure/../mercure",
    "a way through another host": "//other.example/x/../.well-known/mercure",
    "spaces at the end": "/.well-known/mercure   ",
    "a query with a slash": "/.well-known/mercure?/x",
    "a fragment behind a query": "/.well-known/mercure?x#y",
}
TEXTS = {**RESERVED, **MORE_RESERVED}


def watcher(target: Target) -> Reader:
    """A subscriber that is told everything, past the events of itself."""
    reader = target.follow("*", token=target.subscriber_token("*"))
    reader.bytes()
    return reader


def spelled(target: Target, text: str) -> str:
    return filled(Hub(URL, target.version.protocol, "", ""), text)


@pytest.mark.parametrize("position", ["alone", "first", "last", "in the middle"])
def test_no_position_and_no_spelling_of_a_topic_leads_into_the_reserved_namespace(
    target: Target, position: str
) -> None:
    """Mercure 1.0, Reserved Hub Namespace: even for who may publish all."""
    reader = watcher(target)
    let_in: list[str] = []
    for text in TEXTS.values():
        topic = spelled(target, text)
        places = {"alone": [topic], "first": [topic, "/a"], "last": ["/a", topic]}
        topics = places.get(position, ["/a", topic, "/b"])
        answer = target.post([*(("topic", one) for one in topics), ("private", "on"), ("data", "forged")])
        if answer.status_code not in (400, 403):
            let_in.append(topic)
    assert let_in == []
    assert reader.bytes() == b""


def test_a_topic_that_only_looks_reserved_is_free(target: Target) -> None:
    """Mercure 1.0, Reserved Hub Namespace."""
    topics = [spelled(target, text) for text in FREE.values()]
    assert [topic for topic in topics if target.post({"topic": topic}).status_code != 200] == []


PIECES = [
    *(
        "/",
        "\\",
        "//",
        "///",
        ".",
        "..",
        "%2e",
        "%2E",
        ".well-known",
        "mercure",
        "%6Dercure",
        "subscriptions",
    ),
    *("http:", "https:", "ws:", "ftp:", "foo:", "C:", "C|", "localhost", "x", "[", "]", "@", ":", "?", "#"),
    *("%2F", "%5C", "%", "*", "|", "^", "é", " ", HUB, API),
]
some = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
topics = st.tuples(
    some, st.sampled_from([HUB, "mercure", ".well-known/mercure", HUB.replace("/", "\\"), ""]), some
)


@pytest.fixture(scope="module")
def hubs() -> list[Target]:
    """Hubs that know URL patterns."""
    pytest.importorskip("urlpattern")
    return [Target("1.0", "1.0"), Target("both", "1.0"), Target("both", "0.x")]


@settings(max_examples=150, deadline=None)
@given(topic=topics.map("".join))
def test_no_text_whose_url_is_below_the_hub_can_be_published(hubs: list[Target], topic: str) -> None:
    """Mercure 1.0, Reserved Hub Namespace: as another implementation of URLs judges it."""
    import urlpattern

    if any(urlpattern.URLPattern({"pathname": path}).test(topic, URL) for path in (HUB, f"{HUB}/*")):
        for target in hubs:
            assert target.post({"topic": topic}).status_code in (400, 403)


@pytest.mark.parametrize("topic", ["file:.well-known/mercure", "FILE:.well-known/mercure/subscriptions/a/b"])
@pytest.mark.parametrize("spoken", SPOKEN, ids="-".join)
def test_a_file_without_slashes_lies_below_the_root(spoken: tuple[str, str], topic: str) -> None:
    """WHATWG URL, file state."""
    assert Target(*spoken).post({"topic": topic}).status_code in (400, 403)


@pytest.mark.parametrize(
    ("hub", "topic"),
    [
        ("https://hub.example/%7Euser/hub", "/%7Euser/hub/subscriptions/exact/a/b"),
        ("https://hub.example/%7Euser/hub", "/~user/hub/subscriptions/exact/a/b"),
        ("https://hub.example/é", "/%C3%A9/subscriptions/exact/a/b"),
        ("https://hub.example/%C3%A9", "/é/subscriptions/exact/a/b"),
        ("https://hub.example/x/../hub", "/hub/subscriptions/exact/a/b"),
    ],
)
def test_the_hub_s_own_path_may_be_spelled_in_several_ways_too(hub: str, topic: str) -> None:
    """Mercure 1.0, Reserved Hub Namespace: any HTTPS URL may be a hub's."""
    assert Target("1.0", "1.0", url=hub).post({"topic": topic}).status_code == 400


# The type


@pytest.mark.parametrize("topic", ["/a", "https://example.com/a"])
def test_nobody_sends_the_type_of_subscription_events_in_mercure_1(target: Target, topic: str) -> None:
    """Mercure 1.0, Publication."""
    if target.version.protocol == "1.0":
        assert target.post({"topic": topic, "type": "mercure"}).status_code == 400


# A hub of both versions

FORGED = {"type": "mercure", "data": '{"type":"subscription","active":true}'}


@pytest.mark.parametrize(
    "fields", [{**FORGED, "topic": "/a"}, {"topic": "*", "data": "x"}], ids=["type", "star"]
)
def test_an_old_publisher_sends_new_subscribers_nothing_that_looks_like_the_hub_s(
    fields: dict[str, str],
) -> None:
    """Mercure 1.0, Publication: topics are not on the wire, so a client of 1.0 knows events by their type."""
    old, new = Target("both", "0.x"), Target("both", "1.0")
    reader = old.read(new.query("/a", "*"))
    old.post(fields)
    assert reader.bytes() == b""


PREFIXED = f"https://hub.example/app{HUB}"


@IN_BOTH
def test_no_publisher_forges_the_events_of_the_other_version(make: MakeTarget) -> None:
    """Mercure 1.0, Reserved Hub Namespace: where the hub's path begins with that of the app."""
    target = make(url=PREFIXED)
    for topic in (f"{API}/a/b", f"/app{API}/exact/a/b"):
        answer = target.post({"topic": topic, "private": "on", "data": FORGED["data"]})
        assert answer.status_code in (400, 403)


def test_a_watcher_of_mercure_1_is_not_told_what_an_old_publisher_makes_up() -> None:
    """Mercure 1.0, Subscription Events."""
    old, new = Target("both", "0.x", url=PREFIXED), Target("both", "1.0", url=PREFIXED)
    topic = f"/app{API}/exact/a/b"
    reader = old.read(new.query(topic), token=new.subscriber_token(topic))
    old.post({**FORGED, "topic": topic, "private": "on"})
    assert reader.bytes() == b""
