"""A site's pages at their hub in a real browser, in each version of the protocol.

Either the site has the hub embedded, so that both are one origin; or the hub runs on its own, on another
port. Then it is another origin, though it gets the same cookies: these do not tell ports apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser

from tests.browser.board import PATIENCE
from tests.browser.places import API, HUB, PLACES, VERSIONS, Event, Place, Site, Tab, Tabs, hub, standalone
from tests.server.processes import free_port

Open = Callable[..., Tab]

RECONNECT = 20
"""Milliseconds after which a page comes back that has lost its hub."""


@pytest.fixture(
    scope="module",
    params=[(name, protocol) for protocol in ("0.x", "1.0") for name in PLACES],
    ids=" ".join,
)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A site and its hub, in one version of the protocol."""
    name, protocol = request.param
    with PLACES[name](protocol) as place:
        yield place


@pytest.fixture(scope="module")
def tabs(browser: Browser) -> Iterator[Tabs]:
    with closing(Tabs(browser)) as tabs:
        yield tabs


@pytest.fixture
def tab(tabs: Tabs) -> Iterator[Open]:
    """Open tabs: ``tab(site, "members", "/topic")`` in a browser of its own, or ``beside`` another tab.

    In no test may a page have an uncaught error.
    """

    def open_tab(site: Site, path: str, *topics: str, beside: Tab | None = None, **parameters: str) -> Tab:
        opened = tabs.open(beside)
        opened.open(site, path, *topics, **parameters)
        return opened

    yield open_tab
    assert tabs.empty() == []


# Who hears what


def test_a_member_hears_private_updates_by_a_cookie_that_scripts_cannot_read(place: Place, tab: Open) -> None:
    member = tab(place.site, "members", "/news")
    assert member.listen() == "open"

    ids = [place.site.publish("/news", "for members", private=True), place.site.publish("/news", "for all")]

    assert member.until(ids[1]) == [
        Event("message", "for members", ids[0]),
        Event("message", "for all", ids[1]),
    ]
    [cookie] = member.context.cookies()
    assert (cookie["name"], cookie["path"]) == (place.version.cookie, HUB)
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert cookie["value"] not in member.page.content() + member.address
    member.page.goto(place.hub)  # where the cookie is sent, no script sees it either
    assert member.page.evaluate("document.cookie") == ""


def test_a_member_hears_private_updates_of_what_the_cookie_grants_alone(place: Place, tab: Open) -> None:
    member = tab(place.site, "members", "/users/1/notes", "/users/2/notes", grant="/users/1/{part}")
    member.listen()

    place.site.publish("/users/2/notes", "another's", private=True)
    own = place.site.publish("/users/1/notes", "one's own", private=True)

    assert [event.data for event in member.until(own)] == ["one's own"]


def test_without_the_cookie_a_page_hears_public_updates_alone(place: Place, tab: Open) -> None:
    visitor = tab(place.site, "public", "/news")
    assert visitor.listen() == "open"

    place.site.publish("/news", "for members", private=True)
    public = place.site.publish("/news", "for all")

    assert visitor.until(public) == [Event("message", "for all", public)]


def test_whoever_has_given_the_cookie_back_hears_public_updates_alone(place: Place, tab: Open) -> None:
    member = tab(place.site, "members", "/news")
    member.open(place.site, "left", "/news")
    member.listen()

    place.site.publish("/news", "for members", private=True)
    public = place.site.publish("/news", "for all")

    assert [event.data for event in member.until(public)] == ["for all"]
    assert member.context.cookies() == []


def test_a_page_of_another_origin_hears_private_updates_with_credentials_alone(
    place: Place, tab: Open
) -> None:
    member = tab(place.site, "members", "/news")
    with_them = tab(place.friend, "public", "/news", beside=member)
    without = tab(place.friend, "public", "/news", beside=member)
    assert with_them.listen(credentials=True) == "open"
    assert without.listen(credentials=False) == "open"

    place.site.publish("/news", "for members", private=True)
    public = place.site.publish("/news", "for all")

    assert [event.data for event in with_them.until(public)] == ["for members", "for all"]
    assert [event.data for event in without.until(public)] == ["for all"]


def test_a_page_of_an_origin_that_is_not_allowed_gets_an_error_and_nothing_else(
    place: Place, tab: Open
) -> None:
    member = tab(place.site, "members", "/news")
    member.listen()
    stranger = tab(place.stranger, "public", "/news", beside=member)

    for credentials in (True, False):
        assert stranger.listen(credentials=credentials) == "refused"
        assert stranger.page.evaluate("source.readyState === EventSource.CLOSED")

    place.site.publish("/news", "for members", private=True)
    member.until(place.site.publish("/news", "for all"))
    assert stranger.heard == []
    for url in (stranger.address, place.hub, place.api):
        assert stranger.ask(url) == [0, "TypeError"]


def test_a_url_that_the_extension_authorized_lets_a_page_hear_private_updates(
    place: Place, tab: Open
) -> None:
    guest = tab(place.site, "rooms", "/rooms/1", name="Ada")
    guest.listen()

    said = place.site.publish("/rooms/1", "said in the room", private=True)

    assert guest.until(said) == [Event("message", "said in the room", said)]


@pytest.mark.parametrize(
    ("protocol", "host"), [("0.x", "127.0.0.1"), ("1.0", "127.0.0.1"), ("1.0", "localhost")]
)
def test_a_hub_that_was_told_nothing_shows_any_page_what_is_public(
    protocol: str, host: str, tab: Open
) -> None:
    port = free_port()
    config = {"MERCURE_PROTOCOL": protocol, "MERCURE_HUB_URL": f"http://{host}:{port}{HUB}"}
    with hub(port, "--protocol", protocol), closing(Site(**config)) as site:
        visitor = tab(site, "public", "/news")
        other = tab(site, "public", "/news")
        assert visitor.listen(credentials=False) == "open"
        assert other.listen(credentials=True) == "refused"

        ids = [site.publish("/news", "for members", private=True), site.publish("/news", "for all")]

        assert [event.data for event in visitor.until(ids[-1])] == ["for all"]


# What an event carries


def test_the_id_that_the_server_gave_is_the_events_last_event_id(place: Place, tab: Open) -> None:
    visitor = tab(place.site, "public", "/news")
    visitor.listen()

    ids = [
        place.site.publish("/news", "made up"),
        place.site.publish("/news", "chosen", id="https://example.com/news/1"),
        place.site.publish("/news", "in other letters", id="Zoë's 1 ✓"),
    ]

    assert [event.id for event in visitor.until(ids[-1])] == ids
    assert ids[1:] == ["https://example.com/news/1", "Zoë's 1 ✓"]


def test_named_events_reach_their_listeners_and_others_onmessage(place: Place, tab: Open) -> None:
    visitor = tab(place.site, "public", "/calendar")
    visitor.listen("reminder", "löschen")

    place.site.publish("/calendar", "one", type="reminder")
    place.site.publish("/calendar", "two", type="nobody listens to this")
    place.site.publish("/calendar", "three", type="löschen")
    last = place.site.publish("/calendar", "four")

    assert [event[:2] for event in visitor.until(last)] == [
        ("reminder", "one"),
        ("löschen", "three"),
        ("message", "four"),
    ]


def test_data_arrives_as_it_was_published(place: Place, tab: Open) -> None:
    visitor = tab(place.site, "public", "/news")
    visitor.listen()

    texts = [
        "first\nsecond\n\nfourth",
        "\n",
        "",
        "ends with a line break\n",
        "  a tab\tand spaces ",
        "one\u2028line\u2029only\x0b\x0c\x85",
        "data: x\nid: y\nevent: z\n: comment\nretry: 1",
        "🎂 é\ufeff",
        "every break\r\nis a line feed\rfor a page",
    ]
    ids = [place.site.publish("/news", text) for text in texts]

    arrived = [text.replace("\r\n", "\n").replace("\r", "\n") for text in texts]
    assert visitor.until(ids[-1]) == [Event("message", *one) for one in zip(arrived, ids, strict=True)]


# What a page follows


def test_one_event_source_follows_several_topics_and_a_template(place: Place, tab: Open) -> None:
    visitor = tab(place.site, "public", "/news", "https://example.com/a?b=c&d=e#f", "/todo/{id}")
    assert visitor.listen() == "open"

    for topic in ("/todo/1", "/todo/1/notes", "/other", "https://example.com/a?b=c&d=e#f", "/todo/2", "/new"):
        place.site.publish(topic, topic)
    last = place.site.publish("/news", "/news")

    assert [event.data for event in visitor.until(last)] == [
        "/todo/1",
        "https://example.com/a?b=c&d=e#f",
        "/todo/2",
        "/news",
    ]
    template = {"0.x": "topic=%2Ftodo%2F%7Bid%7D", "1.0": "match_urlpattern=%2Ftodo%2F%3Aid"}
    assert template[place.protocol] in visitor.address


def test_a_page_hears_who_comes_and_who_leaves(place: Place, tab: Open) -> None:
    host = tab(place.site, "rooms", "/rooms/2", name="Host", watch="yes")
    host.listen("mercure")

    guest = tab(place.site, "rooms", "/rooms/2", name="Ada")
    guest.listen()
    came = presence(host, 1)
    guest.page.close()
    left = presence(host, 2, meanwhile=partial(place.site.publish, "/rooms/2", "is somebody there?"))

    for told, active in ((came, True), (left, False)):
        assert told.type == place.version.subscription_event
        subscription = json.loads(told.data)
        assert subscription[place.version.topic] == "/rooms/2"
        assert subscription["payload"] == {"name": "Ada"}
        assert subscription["active"] is active
    assert json.loads(came.data)["subscriber"] == json.loads(left.data)["subscriber"]


def test_a_page_hears_who_follows_the_same_template(place: Place, tab: Open) -> None:
    host = tab(place.site, "rooms", "/rooms/{id}/doors/{door}", name="Host", watch="yes")
    host.listen("mercure")

    tab(place.site, "rooms", "/rooms/{id}", name="Elsewhere").listen()
    tab(place.site, "rooms", "/rooms/{id}/doors/{door}", name="Ada").listen()

    came = json.loads(presence(host, 1).data)
    followed = {"0.x": "/rooms/{id}/doors/{door}", "1.0": "/rooms/:id/doors/:door"}
    assert (came["payload"], came[place.version.topic]) == ({"name": "Ada"}, followed[place.protocol])


def presence(host: Tab, count: int, meanwhile: Callable[[], object] = lambda: None) -> Event:
    """Wait until a page has heard of so many comings and goings, and return the last.

    :param meanwhile: what lets the hub notice that a connection is gone.
    """
    script = "(count) => heard.filter(([, data]) => data.startsWith('{')).length >= count"
    for _ in range(PATIENCE // 100):
        meanwhile()
        if host.page.evaluate(script, count):
            break
        host.page.wait_for_timeout(100)
    told = [event for event in host.heard if event.data.startswith("{")]
    assert len(told) >= count, host.heard
    return told[count - 1]


# Coming back


def test_a_page_comes_back_by_itself_and_misses_nothing(place: Place, tab: Open) -> None:
    member = tab(place.site, "members", "/news", "/todo/{id}")
    member.listen()
    before = place.site.publish("/news", "before", id="é ✓ before", retry=RECONNECT)
    member.until(before)

    with place.line.down():
        missed = [
            place.site.publish(f"/todo/{number}", "missed", private=number % 2 == 0) for number in range(10)
        ]
        place.site.publish("/todo/0/notes", "not for this page")
        member.page.wait_for_function("source.readyState === EventSource.CONNECTING")
    after = place.site.publish("/news", "after")

    assert [event.id for event in member.until(after)] == [before, *missed, after]
    assert before in place.line.cursors


def test_what_is_on_its_way_when_the_connection_breaks_arrives_once_and_in_order(
    place: Place, tab: Open
) -> None:
    visitor = tab(place.site, "public", "/ticks")
    visitor.listen()
    ids = [place.site.publish("/ticks", "start", retry=1)]
    known = len(place.line.cursors)

    for _ in range(4):
        visitor.until(ids[-1])
        ids += [place.site.publish("/ticks", "x" * 5000) for _ in range(5)]
        place.line.cut()
        ids += [place.site.publish("/ticks", "a tick") for _ in range(3)]

    assert [event.id for event in visitor.until(ids[-1])] == ids
    assert len(place.line.cursors) - known >= 4


def test_when_a_token_expires_a_page_with_a_new_cookie_goes_on_and_another_is_sent_away(
    place: Place, tab: Open
) -> None:
    early, late = (tab(place.site, "public", "/news") for _ in range(2))
    for member in (early, late):
        present(member, place, place.site.token("/news", 3))
        assert member.listen() == "open"
    present(early, place, place.site.token("/news", 60))
    ids = [place.site.publish("/news", "in time", private=True, retry=RECONNECT)]
    for member in (early, late):
        member.until(ids[0])

    late.page.wait_for_function("source.readyState === EventSource.CLOSED")
    ids.append(place.site.publish("/news", "too late for one", private=True))

    assert [event.id for event in early.until(ids[-1])] == ids
    assert [event.id for event in late.heard] == ids[:1]


def present(member: Tab, place: Place, token: str) -> None:
    """Put a token into the browser's cookie, as the site does."""
    cookie: Any = {"name": place.version.cookie, "value": token, "domain": "127.0.0.1", "path": HUB}
    member.context.add_cookies([{**cookie, "httpOnly": True, "sameSite": "Strict"}])


def test_a_page_that_discovers_the_hub_misses_nothing_since_the_resource_was_read(
    place: Place, tab: Open
) -> None:
    reader = tab(place.site, "public")
    old = place.site.publish("/articles/1", "in the article already")
    names = {"topic": place.version.topic, "cursor": place.version.cursor}
    reader.page.evaluate("([url, names]) => discover(url, names)", [f"/articles/1?last={old}", names])
    ids = [place.site.publish("/articles/1", "published since")]

    assert reader.listen() == "open"
    ids.append(place.site.publish("/articles/1", "published later"))

    assert [event.id for event in reader.until(ids[-1])] == ids


# Scripts that read more than an EventSource does


def test_a_script_reads_where_an_answer_goes_on(place: Place, tab: Open) -> None:
    last = place.site.publish("/news", "the last one")
    header = place.version.cursor_header
    reader = tab(place.site, "members", "/news")

    for site in (place.site, place.friend):
        reader.open(site, "public", "/news")
        address = f"{reader.address}&{place.version.cursor}="
        assert reader.ask(address + last, header) == [200, "a stream", last]
        assert reader.ask(address + "unknown", header) == [200, "a stream", "earliest"]
        sent = {"Last-Event-ID": last, "Cache-Control": "no-cache"}
        assert reader.ask(reader.address, header, headers=sent) == [200, "a stream", last]


def test_a_script_reads_the_link_of_the_subscription_api(place: Place, tab: Open) -> None:
    reader = tab(place.site, "members", "/news")

    for site in (place.site, place.friend):
        reader.open(site, "public", "/news")
        reader.listen()
        status, text, link = reader.ask(place.api, "Link")
        assert status == 200
        assert "/news" in [one[place.version.topic] for one in json.loads(text)["subscriptions"]]
        target, _, attributes = link.partition("; ")
        assert urljoin(place.api, target[1:-1]) == place.hub
        assert attributes.startswith('rel="mercure"; last-event-id="')


def test_a_script_may_ask_with_the_method_query_in_1_0(place: Place, tab: Open) -> None:
    reader = tab(place.friend, "public")
    form = {"method": "QUERY", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}

    status, _ = reader.ask(place.hub, **form, body=f"{place.version.topic}=/news")

    assert status == {"0.x": 405, "1.0": 200}[place.protocol]


def test_a_script_presents_a_token_in_a_header(place: Place, tab: Open) -> None:
    headers = {"Authorization": f"Bearer {place.site.token(API, 60)}"}
    reader = tab(place.site, "public")

    for site in (place.site, place.friend):
        reader.open(site, "public")
        assert reader.ask(place.api)[0] == 401
        assert reader.ask(place.api, headers=headers)[0] == 200


# Publishing from pages


def test_an_allowed_page_publishes_with_its_cookie(place: Place, tab: Open) -> None:
    visitor = tab(place.site, "public", "/guestbook")
    visitor.listen()
    writer = tab(place.site, "writers")

    status, id = writer.publish("/guestbook", "Hello & good bye — é")

    assert status == 200
    assert visitor.until(id) == [Event("message", "Hello & good bye — é", id)]
    assert writer.publish("/elsewhere", "not granted")[0] == 403


def test_a_page_of_another_origin_cannot_publish_with_the_cookie(place: Place, tab: Open) -> None:
    visitor = tab(place.site, "public", "/guestbook")
    visitor.listen()
    writer = tab(place.site, "writers")

    writer.open(place.friend, "public")
    assert writer.publish("/guestbook", "forged")[0] == place.version.foreign_origin
    writer.open(place.stranger, "public")
    assert writer.publish("/guestbook", "forged") == [0, "TypeError"]
    assert writer.publish("/guestbook", "forged", mode="no-cors") == [0, ""]

    writer.open(place.site, "public")
    _, id = writer.publish("/guestbook", "true")
    assert [event.data for event in visitor.until(id)] == ["true"]


# On the way from 0.x to 1.0

both = pytest.mark.parametrize("place", [(name, "both") for name in PLACES], ids=" ".join, indirect=True)


@both
def test_pages_of_both_versions_hear_the_same_updates_also_after_a_break(place: Place, tab: Open) -> None:
    old = tab(place.friend, "members", "/news", "/todo/{id}")
    new = tab(place.site, "members", "/news", "/todo/{id}", beside=old)
    assert ("topic=" in old.address, "topic=" in new.address) == (True, False)
    assert ("match=" in old.address, "match=" in new.address) == (False, True)
    assert old.listen() == new.listen() == "open"

    ids = [place.site.publish("/todo/1", "by a new publisher", private=True, retry=RECONNECT)]
    ids.append(place.friend.publish("/todo/2", "by an old publisher", private=True))
    for page in (old, new):
        page.until(ids[-1])
    with place.line.down():
        ids += [place.site.publish(f"/todo/{number}", "missed", private=True) for number in range(5)]
    ids.append(place.site.publish("/news", "after"))

    assert [event.id for event in old.until(ids[-1])] == ids
    assert new.until(ids[-1]) == old.heard


@both
def test_a_cookie_of_one_version_gives_a_page_of_the_other_nothing(place: Place, tab: Open) -> None:
    old_visitor = tab(place.friend, "public", "/news", beside=tab(place.site, "members"))
    new_visitor = tab(place.site, "public", "/news", beside=tab(place.friend, "members"))
    assert old_visitor.listen() == new_visitor.listen() == "open"

    place.site.publish("/news", "for members", private=True)
    public = place.site.publish("/news", "for all")

    for visitor in (old_visitor, new_visitor):
        assert [event.data for event in visitor.until(public)] == ["for all"]


@both
def test_pages_hear_in_their_own_version_who_comes(place: Place, tab: Open) -> None:
    old_host = tab(place.friend, "rooms", "/rooms/3", name="Old host", watch="yes")
    old_host.listen("mercure")
    new_host = tab(place.site, "rooms", "/rooms/3", name="New host", watch="yes")
    new_host.listen("mercure")

    for site, name in ((place.friend, "Old guest"), (place.site, "New guest")):
        tab(site, "rooms", "/rooms/3", name=name).listen()

    for host, version, count in ((old_host, VERSIONS["0.x"], 3), (new_host, VERSIONS["1.0"], 2)):
        presence(host, count)
        told = [json.loads(event.data) for event in host.heard]
        assert {event.type for event in host.heard} == {version.subscription_event}
        assert {one.get(version.topic) for one in told} == {"/rooms/3"}
        assert [one["payload"]["name"] for one in told] == ["New host", "Old guest", "New guest"][-count:]


@both
def test_pages_that_follow_everything_hear_once_who_comes_also_afterwards(place: Place, tab: Open) -> None:
    sides = [(place.friend, VERSIONS["0.x"]), (place.site, VERSIONS["1.0"])]
    hosts = [tab(site, "members", "*") for site, _ in sides]
    for host in hosts:
        host.listen("mercure")
    before = place.site.publish("/news", "before")

    tab(place.site, "rooms", "/rooms/4", name="Guest").listen()

    after = place.site.publish("/news", "after")
    for host, (site, version) in zip(hosts, sides, strict=True):
        heard = host.until(after)
        host.open(site, "members", "*")
        host.page.evaluate("(cursor) => { address += cursor; }", f"&{version.cursor}={before}")
        host.listen("mercure")
        for events in (heard, host.until(after)):
            told = [event for event in events if "%2Frooms%2F4" in event.data]
            assert [event.type for event in told] == [version.subscription_event]
            assert version.topic in json.loads(told[0].data)


def test_a_page_from_before_the_move_goes_on_after_it(tab: Open) -> None:
    port = free_port()
    with standalone("both") as place:
        with hub(port, "--protocol", "0.x", "--public-url", place.hub, "--cors-origins", place.friend.url):
            place.line.target, moved = port, place.line.target
            member = tab(place.friend, "members", "/news")
            member.listen()
            ids = [place.friend.publish("/news", "before the move", private=True, retry=RECONNECT)]
            member.until(ids[0])

            place.line.target = moved
        ids.append(place.site.publish("/news", "after the move", private=True))

        assert [event.id for event in member.until(ids[-1])] == ids
