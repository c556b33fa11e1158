"""Private updates, subscription events and the subscription API: who is told what, by every way in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.versions import Grant

from .conftest import IN_0, IN_1, IN_BOTH, MakeTarget
from .target import API, HUB, ISSUER, SPOKEN, URL, Reader, Target

PRIVATE = {"private": "on", "data": "private"}


def many(target: Target, path: str) -> tuple[tuple[str, str], Grant]:
    """Return a query parameter and a grant for all topics one level below a path."""
    if target.version.protocol == "0.x":
        return ("topic", f"{path}/{{id}}"), f"{path}/{{id}}"
    return ("match_urlpattern", f"{path}/:id"), {"match": f"{path}/:id", "match_type": "urlpattern"}


def everything(target: Target) -> list[str]:
    """Return the queries that ask for as much as one can."""
    parameters = [(target.version.topic_parameter, "*"), many(target, "/a")[0]]
    if target.version.protocol == "1.0":
        parameters += [("match_urlpattern", "*"), ("match_exact", "*"), ("match_urlpattern", "/*")]
        parameters += [("match_urlpattern", "*://*:*/*?*#*")]
    else:
        parameters += [("topic", "{+all}"), ("topic", "/{+all}")]
    return [urlencode([parameter]) for parameter in (*parameters, (target.version.topic_parameter, "/a/1"))]


# Live


def test_a_stranger_gets_no_private_update_whatever_it_asks_for(target: Target) -> None:
    """Mercure 1.0, Subscribers."""
    readers = [target.read(query) for query in everything(target)]
    target.publish("/a/1", **PRIVATE)
    assert [reader.bytes() for reader in readers] == [b""] * len(readers)


def test_a_stranger_gets_no_private_update_of_the_past_whatever_it_asks_for(target: Target) -> None:
    """Mercure 1.0, Authorization on Event Replay."""
    target.publish("/a/1", **PRIVATE, id="before")
    target.publish("/a/1", **PRIVATE)
    for query in everything(target):
        for cursor in ("earliest", "before", "", "unknown", "#", "0"):
            answers = [
                target.read(f"{query}&{target.version.cursor_parameter}={quote(cursor)}"),
                target.read(query, headers={"Last-Event-ID": cursor}),
            ]
            assert [reader.bytes() for reader in answers] == [b"", b""]


def test_a_token_without_the_grant_gives_no_private_update(target: Target) -> None:
    """Mercure 1.0, Subscribers."""
    target.publish("/a/1", **PRIVATE)
    tokens = [
        target.subscriber_token("/b"),
        target.subscriber_token("/a", "/a/1/", "/a/", "/A/1", "a/1", "/a/12"),
        target.subscriber_token(many(target, "/b")[1]),
        target.sign(target.claims(), "subscriber"),
        target.sign(target.claims(publish=["*"]), "subscriber"),
    ]
    for token in tokens:
        for query in everything(target):
            reader = target.read(f"{query}&{target.version.cursor_parameter}=earliest", token=token)
            target.publish("/a/1", **PRIVATE)
            assert reader.bytes() == b""


@pytest.mark.parametrize("door", ["header", "cookie", "query"])
def test_a_token_with_the_grant_gives_the_private_update_at_every_door(target: Target, door: str) -> None:
    """Mercure 1.0, Subscribers: or the other tests here would show nothing."""
    token = target.subscriber_token("/a/1")
    query, headers = target.query("/a/1", cursor="earliest"), {"Authorization": f"Bearer {token}"}
    if door == "cookie":
        headers = {"Cookie": f"other=1; {target.version.cookie_name}={token}"}
    elif door == "query" and target.version.protocol == "0.x":
        query, headers = f"{query}&authorization={token}", {}
    target.publish("/a/1", **PRIVATE)
    reader = target.read(query, headers=headers)
    target.publish("/a/1", **PRIVATE)
    assert reader.data == ["private", "private"]


def test_a_bad_token_in_the_header_is_not_made_good_by_one_in_the_cookie(target: Target) -> None:
    """Mercure 1.0, Authorization HTTP Header."""
    good = f"{target.version.cookie_name}={target.subscriber_token('*')}"
    for bad in ("", "Bearer", "Bearer x", "Basic dTpw", f"Bearer {'a' * 50}"):
        answer = target.open(target.query("/a"), headers={"Authorization": bad, "Cookie": good})
        assert answer.status_code in (400, 401)


def test_two_tokens_in_the_header_are_none(target: Target) -> None:
    """Mercure 1.0, Authorization HTTP Header: servers join headers that come twice with a comma."""
    token = target.subscriber_token("*")
    for joined in (f"Bearer {token},Bearer {token}", f"Bearer {token}, Bearer {token}", f"Bearer {token},"):
        answer = target.open(target.query("/a"), headers={"Authorization": joined})
        assert answer.status_code in (400, 401)


# Alternates


def test_an_alternate_topic_finds_a_reader_who_may_read_another(target: Target) -> None:
    """Mercure 1.0, Private Update Audience: the readers are those of all topics."""
    reader = target.follow("/public", token=target.subscriber_token("/secret"))
    target.publish("/secret", "/public", **PRIVATE)
    assert reader.data == ["private"]


@pytest.mark.parametrize("topics", [("/secret", "/public"), ("/public", "/secret")], ids="-".join)
def test_an_alternate_topic_opens_nothing_to_those_who_may_read_neither(
    target: Target, topics: tuple[str, str]
) -> None:
    """Mercure 1.0, Private Update Audience."""
    strangers = [target.follow(topic) for topic in (*topics, "*")]
    others = [target.follow(topic, token=target.subscriber_token("/other")) for topic in (*topics, "*")]
    target.publish(*topics, **PRIVATE)
    assert [reader.bytes() for reader in (*strangers, *others)] == [b""] * 6


def test_a_grant_does_not_route(target: Target) -> None:
    """Mercure 1.0, Subscribers: who may read all still gets what it asked for alone."""
    reader = target.follow("/mine", token=target.subscriber_token("*"))
    target.publish("/other", **PRIVATE)
    assert reader.bytes() == b""


@pytest.mark.parametrize("value", ["", "0", "off", "false", "no", " "])
def test_an_update_is_private_whatever_the_value_says(target: Target, value: str) -> None:
    """Mercure 1.0, Publication."""
    reader = target.follow("/a")
    target.publish("/a", private=value)
    assert reader.bytes() == b""


def test_rights_are_those_of_one_connection(target: Target) -> None:
    """Mercure 1.0, Subscribers: not of all who asked for the same."""
    before = target.follow("/a")
    reader = target.follow("/a", token=target.subscriber_token("/a"))
    after = target.follow("/a")
    target.publish("/a", **PRIVATE)
    assert [one.data for one in (before, reader, after)] == [[], ["private"], []]
    reader.close()
    target.publish("/a", **PRIVATE)
    assert [one.data for one in (before, after)] == [[], []]


def test_a_publication_that_is_refused_reaches_nobody(target: Target) -> None:
    """Mercure 1.0, Publishers: nor does it stay in the history."""
    token = target.publisher_token("/mine")
    reader = target.follow("*")
    for topics in (["/other"], ["/mine", "/other"], ["/other", "/mine"], ["/mine/"], ["/MINE"]):
        answer = target.post([("topic", topic) for topic in topics], token=token)
        assert (answer.status_code, answer.text) == (403, "Forbidden\n")
    assert reader.bytes() == b""
    assert target.follow("*", cursor="earliest").bytes() == b""


# Replay


def test_a_narrower_token_gets_less_of_the_past(target: Target) -> None:
    """Mercure 1.0, Authorization on Event Replay: the rights of today count."""
    first = target.publish("/a", data="first")
    for topic in ("/a", "/b", "/c"):
        target.publish(topic, private="on", data=topic)
    wide = target.follow("/a", "/b", "/c", cursor=first, token=target.subscriber_token("/a", "/b", "/c"))
    narrow = target.follow("/a", "/b", "/c", cursor=first, token=target.subscriber_token("/b"))
    other = target.follow("/a", "/b", "/c", cursor=first, token=target.subscriber_token("/d"))
    nobody = target.follow("/a", "/b", "/c", cursor=first)
    assert [one.data for one in (wide, narrow, other, nobody)] == [["/a", "/b", "/c"], ["/b"], [], []]


def test_a_cursor_at_an_update_that_one_may_not_read_brings_nothing_private(target: Target) -> None:
    """Mercure 1.0, Authorization on Event Replay."""
    target.publish("/a", **PRIVATE, id="secret-1")
    target.publish("/a", **PRIVATE, id="secret-2")
    target.publish("/a", data="public")
    assert target.follow("*", cursor="secret-1").data == ["public"]


# Subscription events


def test_a_stranger_is_not_told_who_comes_and_goes(target: Target) -> None:
    """Mercure 1.0, Subscription Events: neither live nor later."""
    events, _grant = target.version.every_subscription(API)
    queries = [*everything(target), urlencode([events])]
    watchers = [target.read(query) for query in queries]
    target.follow("/a/1", token=target.subscriber_token("/a/1", payload={"who": "me"})).close()
    watchers += [target.read(f"{query}&{target.version.cursor_parameter}=earliest") for query in queries]
    assert b"".join(watcher.bytes() for watcher in watchers) == b""


def test_a_token_for_topics_does_not_tell_who_comes_and_goes(target: Target) -> None:
    """Mercure 1.0, Subscription Events: neither live nor later."""
    events, _grant = target.version.every_subscription(API)
    grants = ["/a/1", many(target, "/a")[1], API, f"{API}/", HUB]
    token = target.subscriber_token(*grants)
    query = urlencode([events, (target.version.topic_parameter, "*")])
    watcher = target.read(query, token=token)
    target.follow("/a/1", token=target.subscriber_token("/a/1", payload={"who": "me"})).close()
    later = target.read(f"{query}&{target.version.cursor_parameter}=earliest", token=token)
    assert watcher.bytes() + later.bytes() == b""


def test_a_token_for_the_events_tells_who_comes_and_goes(target: Target) -> None:
    """Mercure 1.0, Subscription Events: or the other tests here would show nothing."""
    events, grant = target.version.every_subscription(API)
    watcher = target.read(urlencode([events]), token=target.subscriber_token(grant))
    target.follow("/a", token=target.subscriber_token("/a", payload={"who": "me"})).close()
    assert [(event["active"], event["payload"]) for event in watcher.documents] == [
        (True, {"who": "me"}),
        (False, {"who": "me"}),
    ]


def test_a_token_for_the_events_of_one_topic_tells_of_that_alone(target: Target) -> None:
    """Mercure 1.0, Subscription Events."""
    mine, _ = many(target, target.version.subscriptions_path(API, "/mine"))
    _, grant = many(target, target.version.subscriptions_path(API, "/mine"))
    watcher = target.read(
        urlencode([mine, (target.version.topic_parameter, "*")]), token=target.subscriber_token(grant)
    )
    token = target.subscriber_token("*", payload={"who": "me"})
    for topic in ("/mine", "/other", "/mine/1", "*"):
        target.follow(topic, token=token)
    assert [event["id"].split("/")[-2] for event in watcher.documents] == ["%2Fmine"]


@IN_BOTH
def test_each_version_is_told_in_its_own_words(target: Target) -> None:
    """Mercure 1.0, Subscription Events: a token of one version never shows the documents of the other."""
    watcher = target.follow("*", token=target.subscriber_token("*"))
    for spoken in ("0.x", "1.0"):
        follower = Target("both", spoken)
        query = follower.query("/a")
        token = follower.subscriber_token("/a", payload={"spoken": spoken})
        target.read(query, token=token).close()
    later = target.follow("*", cursor="earliest", token=target.subscriber_token("*"))
    words = "topic" if target.version.protocol == "0.x" else "match"
    told = [*watcher.documents, *later.documents]
    assert [event["payload"] for event in told if "payload" in event] == [
        {"spoken": spoken} for spoken in ("0.x", "0.x", "1.0", "1.0") * 2
    ]
    assert all(words in event for event in told)


# The subscription API


def documents(target: Target, topic: str = "/a") -> list[str]:
    """Follow a topic, and return the paths of the documents that tell of it."""
    target.follow(topic, token=target.subscriber_token(topic, payload={"who": "me"}))
    listed = target.ask(API, token=target.subscriber_token(API)).get_json(force=True)["subscriptions"]
    return [API, target.version.subscriptions_path(API, topic), listed[-1]["id"]]


def test_a_stranger_reads_no_document(target: Target) -> None:
    """Mercure 1.0, Subscription API."""
    for path in documents(target):
        for headers in ({}, {"If-None-Match": "*"}, {"Cookie": f"{target.version.cookie_name}="}):
            for method in ("GET", "HEAD"):
                answer = target.request(method, path, headers=headers)
                assert answer.status_code in (400, 401, 404)
                assert not {"ETag", "Link", "Last-Event-ID"} & set(answer.headers.keys())


@pytest.mark.parametrize("path", ["/a/b/c/d", "/unknown/a", "/exact/a/b"])
def test_a_stranger_is_asked_for_a_token_before_its_path_is_judged(path: str) -> None:
    """Mercure 1.0, Subscription API: a client of 1.0 finds out by the challenge what it lacks."""
    for spoken in SPOKEN:
        assert Target(*spoken).ask(API + path).status_code == 401


def test_whoever_lacks_the_grant_learns_nothing_of_what_exists(target: Target) -> None:
    """Mercure 1.0, Subscription API: the answer for a subscription that exists is that for one that does not."""
    existing = documents(target)
    missing = [path.replace("%2Fa", "%2Fmissing") for path in existing] + [f"{existing[1]}/urn%3Auuid%3A0"]
    _events, for_events = many(target, f"{existing[1]}")
    for token in (
        target.subscriber_token("/a"),
        target.sign(target.claims(), "subscriber"),
        target.sign(target.claims(publish=["*"]), "subscriber"),
        target.subscriber_token(f"{API}/", f"{API}?", HUB, "/*", f"{HUB}/*"),
    ):
        answers = [target.ask(path, token=token) for path in (*existing, *missing)]
        assert {(one.status_code, one.text, *map(tuple, sorted(one.headers))) for one in answers} == {
            (403, "Forbidden\n", *map(tuple, sorted(answers[0].headers)))
        }
    assert target.ask(existing[1], token=target.subscriber_token(for_events)).status_code == 403
    assert target.ask(API, token=target.subscriber_token(for_events)).status_code == 403


def test_a_grant_of_each_document_gives_that_one_alone(target: Target) -> None:
    """Mercure 1.0, Subscription API."""
    paths = documents(target)
    for granted in paths:
        token = target.subscriber_token(granted)
        assert [target.ask(path, token=token).status_code == 200 for path in paths] == [
            path == granted for path in paths
        ]


def test_only_the_granted_learn_that_nothing_is_there(target: Target) -> None:
    """Mercure 1.0, Subscription API."""
    path = f"{target.version.subscriptions_path(API, '/a')}/urn%3Auuid%3A0"
    assert target.ask(path, token=target.subscriber_token("/b")).status_code == 403
    assert target.ask(path, token=target.subscriber_token("*")).status_code == 404


def test_a_hub_that_tells_no_subscriptions_is_silent_to_all(make: MakeTarget) -> None:
    """Mercure 1.0, Subscription API."""
    target = make(subscriptions=False)
    target.follow("/a", token=target.subscriber_token("/a", payload={"who": "me"}))
    watcher = target.follow("*", cursor="earliest", token=target.subscriber_token("*"))
    for path in (API, target.version.subscriptions_path(API, "/a")):
        for token in (None, target.subscriber_token("*")):
            assert target.ask(path, token=token).status_code == 404
    assert watcher.bytes() == b""


SPELLINGS: dict[str, Callable[[str], str]] = {
    "a slash more": lambda path: f"{path}/",
    "slashes before": lambda path: f"//{path}",
    "an encoded letter": lambda path: path.replace("mercure", "%6Dercure"),
    "an encoded slash before": lambda path: path.replace("/subscriptions", "%2Fsubscriptions"),
    "an encoded slash behind": lambda path: path.replace("subscriptions/", "subscriptions%2F"),
    "encoded twice": lambda path: path.replace("%2F", "%252F"),
    "decoded": lambda path: path.replace("%2F", "/"),
    "a parent": lambda path: f"{path}/x/..",
    "an encoded parent": lambda path: f"{path}/x/%2e%2e",
    "another before": lambda path: path.replace(API, f"{API}/x/..", 1),
    "the prefix again": lambda path: f"{API.replace('mercure', '%6Dercure')}/x{path}",
    "a query": lambda path: f"{path}?/.well-known/mercure/subscriptions/x",
    "parameters": lambda path: f"{path};x=y",
    "the whole URL": lambda path: f"https://hub.example{path}",
    "an encoded question mark": lambda path: f"{path}%3Fx",
    "a null": lambda path: f"{path}%00",
    "no text": lambda path: f"{path}%FF",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("raw", [True, False], ids=["raw target", "decoded path"])
def test_no_spelling_of_a_path_shows_a_document_that_was_not_granted(
    target: Target, spelling: str, raw: bool
) -> None:
    """Mercure 1.0, Subscription API: what is judged is what is shown."""
    paths = documents(target)
    for path in paths:
        for granted in (*paths, SPELLINGS[spelling](path)):
            token = target.subscriber_token(granted)
            spelled = SPELLINGS[spelling](path)
            environ = {} if raw else {"RAW_URI": "", "REQUEST_URI": ""}
            answer = target.client.get(
                path=spelled, headers={"Authorization": f"Bearer {token}"}, environ_overrides=environ
            )
            assert answer.status_code != 200 or answer.get_json(force=True)["id"] == granted


@IN_0
def test_a_grant_that_is_not_encoded_is_no_grant_for_the_document(target: Target) -> None:
    """Mercure 0.x, Subscription API."""
    target.follow("/a b")
    token = target.subscriber_token(f"{API}//a b", f"{API}/%2Fa+b")
    assert target.ask(f"{API}/%2Fa%20b", token=token).status_code == 403


@IN_1
def test_a_payload_is_that_of_the_first_detail_that_fits(target: Target) -> None:
    """Mercure 1.0, Payloads: even if it has none, so that a second never shows what the first hides."""
    details = [
        {**target.claims(subscribe=["/hidden"])["authorization_details"][0]},
        {**target.claims(subscribe=["*"], payload={"secret": 1})["authorization_details"][0]},
    ]
    token = target.sign({**target.claims(), "authorization_details": details}, "subscriber")
    target.follow("/hidden", "/shown", token=token)
    listed = target.ask(API, token=target.subscriber_token(API)).get_json(force=True)["subscriptions"]
    assert [("payload" in one) for one in listed] == [False, True]


# Everybody and everything

SPEAKERS = {spoken: Target(*spoken) for spoken in SPOKEN}
TOPICS = ["/a/1", "/a/2", "/b", "urn:c"]


def in_version(target: Target, name: str) -> tuple[tuple[str, str], Grant]:
    """Return a selector as a parameter and as a grant."""
    if name == "/a/…":
        return many(target, "/a")
    return (target.version.topic_parameter, name), name


def selects(name: str, topic: str) -> bool:
    return name in ("*", topic) or (name == "/a/…" and topic.startswith("/a/"))


names = st.lists(st.sampled_from([*TOPICS, "/a/…", "*"]), max_size=3, unique=True)
who = st.tuples(st.sampled_from(SPOKEN[2:]), names.filter(bool), st.none() | names)
what = st.tuples(st.lists(st.sampled_from(TOPICS), min_size=1, max_size=3, unique=True), st.booleans())


def gets(
    selectors: Sequence[str], grants: Sequence[str] | None, topics: Sequence[str], private: bool
) -> bool:
    """Mercure, Subscribers, in one line and without any index."""
    return any(selects(one, topic) for one in selectors for topic in topics) and (
        not private or any(selects(one, topic) for one in grants or () for topic in topics)
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(who, min_size=1, max_size=5), st.lists(what, max_size=6))
def test_everybody_gets_exactly_what_is_theirs(
    subscribers: list[tuple[tuple[str, str], list[str], list[str] | None]],
    published: list[tuple[list[str], bool]],
) -> None:
    """Mercure 1.0, Subscribers: live and from the history, at a hub that speaks both versions."""
    hub = Target("both", "1.0", subscriptions=False)

    def readers(cursor: bool) -> list[Reader]:
        opened = []
        for spoken, selectors, grants in subscribers:
            speaker = SPEAKERS[spoken]
            query = [in_version(speaker, one)[0] for one in selectors]
            if cursor:
                query.append((speaker.version.cursor_parameter, "earliest"))
            token = None
            if grants is not None:
                token = speaker.subscriber_token(*(in_version(speaker, one)[1] for one in grants))
            opened.append(hub.read(urlencode(query), token=token))
        return opened

    live = readers(cursor=False)
    for number, (topics, private) in enumerate(published):
        hub.publish(*topics, data=str(number), **({"private": ""} if private else {}))
    later = readers(cursor=True)
    for (_spoken, selectors, grants), now, then in zip(subscribers, live, later, strict=True):
        expected = [
            str(number)
            for number, (topics, private) in enumerate(published)
            if gets(selectors, grants, topics, private)
        ]
        assert (now.data, then.data) == (expected, expected)
    hub.close()


PIECES = (
    "/ // %2F %252F .. %2e . a b %61 exact urlpattern * %2A + %20 urn:uuid:1 %FF % ? ; subscriptions " + API
).split()
paths = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(SPOKEN), paths, paths, st.booleans())
def test_whoever_is_granted_one_document_reads_no_other(
    spoken: tuple[str, str], granted: str, asked: str, raw: bool
) -> None:
    """Mercure 1.0, Subscription API."""
    target = Target(*spoken)
    for topic in ("a", "b", "/", "a/b", ""):
        target.follow(topic)
    token = target.sign(target.claims(subscribe=[API + granted]), "subscriber")
    environ = {} if raw else {"RAW_URI": "", "REQUEST_URI": ""}
    headers = {"Authorization": f"Bearer {token}"}
    answer = target.client.get(API + asked, headers=headers, environ_overrides=environ)
    target.close()
    assert answer.status_code != 200 or answer.get_json(force=True)["id"] == API + granted


def test_the_issuer_and_the_hub_are_those_of_the_tests() -> None:
    """Mercure 1.0, Token Validation: or no token here would be good for anything."""
    assert Target("1.0", "1.0").claims(subscribe=["*"])["iss"] == ISSUER
    assert Target("1.0", "1.0").claims(subscribe=["*"])["aud"] == URL
