"""Tabs that stay open, in a real browser: how long they may read what is private, and who sees their cookies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.member_app import create_app
from tests.browser.places import HUB, VERSIONS, Site, Tab, Tabs

LIFETIME = 5
"""Seconds for which a token is good; its cookie ends before."""

RECONNECT = 20
"""Milliseconds after which a page comes back whose stream has ended."""

MARK = "mercure_cookie_ends"

Open = Callable[..., Tab]

in_each_version = pytest.mark.parametrize("protocol", ["0.x", "1.0"])


@pytest.fixture(scope="module")
def tabs(browser: Browser) -> Iterator[Tabs]:
    with closing(Tabs(browser, ignore_https_errors=True)) as tabs:
        yield tabs


@pytest.fixture
def tab(tabs: Tabs) -> Iterator[Open]:
    """Log somebody in, in a browser of their own or ``beside`` another tab, and let the page listen."""

    def open_tab(site: Site, user: str, *, beside: Tab | None = None, **parameters: str) -> Tab:
        opened = tabs.open(beside)
        opened.open(site, "login", user=user, **parameters)
        assert opened.listen() == "open"
        return opened

    yield open_tab
    assert tabs.empty() == []


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    """Start sites that end with the test: ``site("1.0", tls=True)``."""
    started: list[Site] = []

    def start(protocol: str, lifetime: float = 600, **options: Any) -> Site:
        config = {
            "MERCURE_PROTOCOL": protocol,
            "MERCURE_TOKEN_LIFETIME": lifetime,
            "MERCURE_COOKIE_RENEW": True,
            "MERCURE_HUB_KEEPALIVE_INTERVAL": 0.2,
        }
        started.append(Site(make=create_app, **{**config, **options}))
        return started[-1]

    yield start
    for one in started:
        one.close()


Sites = Callable[..., Site]


def until_opened(tab: Tab, times: int) -> None:
    """Wait until a page has had so many streams."""
    tab.page.wait_for_function("(times) => opened >= times", arg=times)


def cookies(tab: Tab) -> dict[str, Any]:
    """Return the browser's cookies but the app's session, by name."""
    return {cookie["name"]: cookie for cookie in tab.context.cookies() if cookie["name"] != "session"}


def test_while_tokens_end_a_tab_that_renews_its_cookie_reads_on_and_another_what_is_public(
    site: Sites, tab: Open
) -> None:
    """In both versions at once, because lives take their time."""
    sites = [(site("0.x", LIFETIME), "any response"), (site("1.0", LIFETIME), "its url")]
    kept = [(place, tab(place, "7", way=way)) for place, way in sites]
    left = [(place, tab(place, "8")) for place, _ in sites]
    first = [cookies(member) for _, member in kept]
    ids = [[place.publish("/notes/7", "1", private=True, retry=RECONNECT)] for place, _ in kept]
    for place, member in left:
        member.until(place.publish("/notes/8", "in time", private=True, retry=RECONNECT))

    for life in (2, 3):
        for (place, member), published in zip(kept, ids, strict=True):
            until_opened(member, life)
            published.append(place.publish("/notes/7", str(life), private=True))
            member.until(published[-1])
    for place, member in left:
        until_opened(member, 2)
        place.publish("/notes/8", "too late", private=True)
        public = place.publish("/notes/8", "for all")
        assert [event.data for event in member.until(public)] == ["in time", "for all"]
        assert cookies(member) == {}

    for (_, member), published, given in zip(kept, ids, first, strict=True):
        assert [event.id for event in member.heard] == published
        assert cookies(member).keys() == given.keys()
        assert all(cookie["value"] != given[name]["value"] for name, cookie in cookies(member).items())


@in_each_version
def test_logging_out_ends_the_streams_of_that_user_in_all_tabs(protocol: str, site: Sites, tab: Open) -> None:
    place = site(protocol)
    here, other = tab(place, "7"), tab(place, "8")
    there = tab(place, "7", beside=here)
    for user, members in (("7", (here, there)), ("8", (other,))):
        before = place.publish(f"/notes/{user}", "before", private=True, retry=RECONNECT)
        for member in members:
            member.until(before)

    assert here.ask("/logout", method="POST")[0] == 200
    for member in (here, there):
        until_opened(member, 2)
    for user in ("7", "8"):
        place.publish(f"/notes/{user}", "after", private=True)

    for user, members in (("7", (here, there)), ("8", (other,))):
        public = place.publish(f"/notes/{user}", "for all")
        for member in members:
            heard = [event.data for event in member.until(public)]
            assert heard == (["before", "for all"] if user == "7" else ["before", "after", "for all"])
    assert cookies(here) == {}
    assert other.page.evaluate("opened") == 1


@in_each_version
@pytest.mark.parametrize("tls", [False, True])
def test_scripts_see_no_cookie_and_https_keeps_them_to_itself(
    protocol: str, tls: bool, site: Sites, tab: Open
) -> None:
    place = site(protocol, tls=tls)
    member = tab(place, "7")
    name = VERSIONS[protocol].cookie
    if tls and protocol == "1.0":
        name = f"__Secure-{name}"

    given = cookies(member)

    assert {one: cookie["path"] for one, cookie in given.items()} == {name: HUB, MARK: "/"}
    for cookie in given.values():
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", tls)
    assert member.page.evaluate("document.cookie") == ""
    private = place.publish("/notes/7", "for one", private=True)
    assert [event.id for event in member.until(private)] == [private]


def test_a_name_for_https_alone_works_at_this_machines_own_address_also_without(
    site: Sites, tab: Open
) -> None:
    name = "__Secure-mercure_access_token"
    place = site("1.0", MERCURE_AUTHZ_COOKIE_NAME=name)
    member = tab(place, "7")

    private = place.publish("/notes/7", "for one", private=True)

    assert [event.id for event in member.until(private)] == [private]
    assert member.ask("/logout", method="POST")[0] == 200
    assert cookies(member) == {}
