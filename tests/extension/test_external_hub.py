"""An app with an external hub: our own, in a process of its own, in each version of the protocol.

Or any other: the variables of the conformance suite name it (see ``tests/conformance/README.md``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from blinker import Namespace
from flask import Flask
from werkzeug.wrappers import Response

from flask_mercure_sse import (
    ConfigurationError,
    MercureSSE,
    PublishError,
    SubscriptionsError,
    match_urlpattern,
    publish_failed,
    subscriber_connected,
    subscriber_disconnected,
)
from tests.browser.line import Line
from tests.conformance import targets
from tests.conformance.client import Stream
from tests.conformance.hub import FEATURES, Hub, bearer
from tests.integrations.hearing import Receiver, heard
from tests.server.processes import PATIENCE

PATH = "/.well-known/mercure"
GONE = "http://127.0.0.1:1"
FOREIGN = targets.foreign()
OTHER_KEY = "of somebody else, long enough for HS256"

Follow = Callable[..., Stream]


@pytest.fixture(scope="module", params=[FOREIGN.url] if FOREIGN else ["0.x", "1.0"])
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    if FOREIGN:
        yield FOREIGN
        return
    with targets.own(f"standalone {request.param}") as hub:
        yield hub


def speaking(hub: Hub, **config: Any) -> Flask:
    """Return an app that knows a hub's version and keys."""
    app = Flask("tests")
    settings = {
        "TESTING": True,
        "MERCURE_PROTOCOL": hub.protocol,
        "MERCURE_ISSUER": hub.issuer,
        "MERCURE_PUBLISHER_SECRET_KEY": hub.publisher_key,
        "MERCURE_SUBSCRIBER_SECRET_KEY": hub.subscriber_key,
        "MERCURE_AUTHZ_COOKIE_NAME": hub.cookie or None,
        "MERCURE_FLUSH_TIMEOUT": 0.1,
    }
    app.config.update({**settings, **config})
    return app


@pytest.fixture
def app(hub: Hub) -> Flask:
    return speaking(hub, MERCURE_HUB_URL=hub.url, MERCURE_PUBLIC_HUB_URL=hub.audience or None)


@pytest.fixture
def mercure(app: Flask) -> MercureSSE:
    return MercureSSE(app)


@pytest.fixture
def topic() -> str:
    """A topic that no other test has."""
    return f"https://example.com/{uuid4().hex}"


@pytest.fixture
def follow(hub: Hub, mercure: MercureSSE) -> Iterator[Follow]:
    """Open streams that end with the test: ``follow("/topic")``, or with a ``token``, a ``url``, headers."""
    opened: list[Stream] = []

    def open_stream(*topics: str, token: str | None = None, url: str = "", **headers: str) -> Stream:
        target = urlsplit(url or mercure.hub_url(list(topics), public=False))._replace(scheme="", netloc="")
        stream = Stream(hub.origin, "GET", target.geturl(), [*bearer(token), *headers.items()])
        opened.append(stream)
        return hub.joined(stream)

    yield open_stream
    for stream in opened:
        stream.close()


def needs(feature: str) -> Any:
    """Return a fixture that skips a test where another hub is declared to be without a feature."""

    @pytest.fixture
    def check(hub: Hub) -> None:
        if feature not in hub.features:
            pytest.skip(f"the hub is declared to be without {FEATURES[feature]}")

    return check


with_anonymous, with_history, with_subscriptions = map(needs, ("anonymous", "history", "subscriptions"))


def command(app: Flask, *arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it says."""
    result = app.test_cli_runner().invoke(args=["mercure", *arguments])
    return result.exit_code, result.output


def test_the_hub_is_not_in_the_app(app: Flask, mercure: MercureSSE) -> None:
    assert app.test_client().get(PATH).status_code == 404


class TestPublishing:
    @pytest.mark.parametrize(
        ("given", "arrived"),
        [
            ("one\ntwo", "one\ntwo"),
            ("one\r\ntwo\rthree", "one\ntwo\nthree"),
            ("\n ends \n", "\n ends \n"),
            ("", ""),
            ("é ✓ 🎉 \N{ZERO WIDTH NO-BREAK SPACE}", "é ✓ 🎉 \N{ZERO WIDTH NO-BREAK SPACE}"),
            ("a=b&c=d+e%20;f", "a=b&c=d+e%20;f"),
            ({"é": 1}, '{"\\u00e9": 1}'),
        ],
    )
    def test_data_arrives_as_it_was_given_with_the_line_ends_of_streams(
        self, given: object, arrived: str, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        stream = follow(topic, token=mercure.create_subscription_jwt(topic))
        event_id = mercure.publish(topic, given, wait=True)
        event = stream.next()
        assert (event.id, event.type, event.data, event.retry) == (event_id, "message", arrived, None)

    def test_an_update_keeps_its_id_type_and_reconnection_time(
        self, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        stream = follow(topic, token=mercure.create_subscription_jwt(topic))
        event_id = f"Zoë's {topic} ✓"
        options: Any = {"private": True, "type": "löschen", "retry": 1500}
        assert mercure.publish(topic, "x", id=event_id, wait=True, **options) == event_id
        event = stream.next()
        assert (event.id, event.type, event.data, event.retry) == (event_id, "löschen", "x", 1500)

    def test_each_of_its_topics_leads_to_an_update(
        self, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        stream = follow(topic, token=mercure.create_subscription_jwt(topic))
        event_id = mercure.publish([f"{topic}/canonical", topic, f"/{topic}"], "x", private=True, wait=True)
        assert stream.next().id == event_id

    @pytest.mark.usefixtures("with_anonymous")
    def test_a_private_update_reaches_those_alone_whose_token_grants_it(
        self, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        member = follow(topic, token=mercure.create_subscription_jwt(topic))
        other = follow(topic, token=mercure.create_subscription_jwt(f"{topic}/other"))
        stranger = follow(topic)
        private = mercure.publish(topic, "for members", private=True, wait=True)
        public = mercure.publish(topic, "for all", wait=True)
        assert [member.next().id, member.next().id] == [private, public]
        assert [other.next().id, stranger.next().id] == [public, public]

    def test_what_is_published_in_the_background_arrives_in_its_order(
        self, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        stream = follow(topic, token=mercure.create_subscription_jwt(topic))
        ids = [mercure.publish(topic, str(number), private=True) for number in range(300)]
        assert [stream.next().id for _ in ids] == ids
        assert mercure.flush(PATIENCE)

    def test_a_token_that_the_hub_does_not_take_is_an_error(self, hub: Hub, topic: str) -> None:
        app = speaking(hub, MERCURE_HUB_URL=hub.url, MERCURE_PUBLISHER_SECRET_KEY=OTHER_KEY)
        with pytest.raises(PublishError, match=f"the hub {hub.url} answered 401: Unauthorized"):
            MercureSSE(app).publish(topic, "x", wait=True)

    def test_in_the_background_it_is_told_at_once(self, hub: Hub, topic: str) -> None:
        app = speaking(hub, MERCURE_HUB_URL=hub.url, MERCURE_PUBLISHER_SECRET_KEY=OTHER_KEY)
        failed = Receiver(publish_failed)
        mercure = MercureSSE(app)
        mercure.publish(topic, "x")
        sender, told = failed.next_send()
        assert (sender, told["error"].status) == (app, 401)
        assert mercure.flush(PATIENCE)

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"hub_url": "nonsense"}, "hub_url: 'nonsense' is not a valid hub URL"),
            ({"hub_url": 5}, "hub_url: is a int; give a text"),
            ({"jwt": "two words"}, "jwt: the value is not a JSON Web Token"),
        ],
    )
    def test_a_hub_or_token_that_cannot_be_is_an_error(
        self, options: dict[str, Any], problem: str, mercure: MercureSSE
    ) -> None:
        with pytest.raises(ConfigurationError, match=problem):
            mercure.publish("/a", "x", **options)

    def test_a_token_from_a_file_may_end_with_a_line_break(
        self, hub: Hub, mercure: MercureSSE, topic: str
    ) -> None:
        token = mercure.create_jwt("publisher_secret_key", publish=[topic])
        options = {"jwt": f"{token}\n", "hub_url": hub.url}
        assert MercureSSE(Flask("keyless")).publish(topic, "x", id=topic, wait=True, **options) == topic


class TestElsewhere:
    """The app's own hub is embedded, and updates go to the external one alone."""

    @pytest.fixture
    def embedded(self, hub: Hub) -> Iterator[MercureSSE]:
        app = speaking(hub, SECRET_KEY=OTHER_KEY)
        yield MercureSSE(app)
        assert app.extensions["mercure_sse"].hub.last_event_id == "earliest"

    @pytest.fixture
    def stream(self, mercure: MercureSSE, topic: str, follow: Follow) -> Stream:
        return follow(topic, token=mercure.create_subscription_jwt(topic))

    @pytest.fixture
    def token(self, mercure: MercureSSE, topic: str) -> str:
        return mercure.create_jwt("publisher_secret_key", publish=[topic])

    def test_one_update_may_go_to_another_hub_with_another_token(
        self, hub: Hub, embedded: MercureSSE, stream: Stream, topic: str, token: str
    ) -> None:
        embedded.publish(topic, "x", jwt=token, hub_url=hub.url)
        assert stream.next().data == "x"

    def test_a_sender_may_have_a_hub_of_its_own(
        self, hub: Hub, embedded: MercureSSE, stream: Stream, topic: str, token: str
    ) -> None:
        signal = Namespace().signal("moved")
        embedded.publish_signal(signal, topic)
        options = {"hub_url": hub.url, "data": "elsewhere", "jwt": token}
        signal.send(SimpleNamespace(__mercure_publish__=options))
        assert stream.next().data == "elsewhere"

    def test_a_senders_token_goes_to_the_hub_of_its_binding(
        self, hub: Hub, embedded: MercureSSE, stream: Stream, topic: str, token: str
    ) -> None:
        signal = Namespace().signal("moved")
        embedded.publish_signal(signal, topic, hub_url=hub.url)
        signal.send(SimpleNamespace(__mercure_publish__={"jwt": token}))
        assert stream.next().data == topic


class TestAuthorization:
    """The hub takes the tokens that the app makes, wherever they are presented."""

    @pytest.mark.parametrize("selector", ["{topic}/{{id}}", "{topic}{{/kind,id}}", "*"])
    def test_a_token_grants_what_its_selectors_select(
        self, selector: str, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        wanted = selector.format(topic=topic)
        stream = follow(wanted, token=mercure.create_subscription_jwt(wanted))
        published = f"{topic}/books/7" if "kind" in wanted else f"{topic}/7"
        event_id = mercure.publish(published, "x", private=True, wait=True)
        assert stream.wait_for(lambda event: event.type != "mercure").id == event_id

    def test_a_url_pattern_grants_what_it_matches_in_1_0(
        self, hub: Hub, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        pattern = match_urlpattern(f"{topic}/:id(\\d+)")
        if hub.protocol == "0.x":
            with pytest.raises(ConfigurationError, match=r"set MERCURE_PROTOCOL to 1\.0"):
                mercure.hub_url(pattern)
            return
        stream = follow(pattern, token=mercure.create_subscription_jwt(pattern))
        mercure.publish(f"{topic}/x", "x", private=True, wait=True)
        event_id = mercure.publish(f"{topic}/7", "x", private=True, wait=True)
        assert stream.next().id == event_id

    def test_the_cookie_that_the_app_sets_lets_read(
        self, app: Flask, hub: Hub, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        with app.test_request_context():
            secure = hub.cookie_name.startswith("__Secure-")
            response = mercure.set_authz_cookie(Response(), topic, secure=secure)
        cookie = response.headers["Set-Cookie"].partition(";")[0]
        stream = follow(topic, Cookie=cookie)
        event_id = mercure.publish(topic, "x", private=True, wait=True)
        assert stream.next().id == event_id

    def test_a_url_with_a_token_lets_read_in_0_x(
        self, hub: Hub, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        token = mercure.create_subscription_jwt(topic)
        if hub.protocol == "1.0":
            with pytest.raises(ConfigurationError, match="reads no token from a URL"):
                mercure.hub_url(topic, token)
            return
        if "query_token" not in hub.features:
            pytest.skip(f"the hub is declared to be without {FEATURES['query_token']}")
        stream = follow(url=mercure.hub_url(topic, token))
        event_id = mercure.publish(topic, "x", private=True, wait=True)
        assert stream.next().id == event_id


@pytest.mark.usefixtures("with_subscriptions")
class TestPresence:
    @pytest.mark.parametrize("name", ["a b+c", "é?x=1&y=a+b#z"])
    def test_who_is_there_is_asked_of_the_hub(
        self, name: str, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        topic = f"{topic}/{name}"
        follow(topic, token=mercure.create_subscription_jwt(topic, {"user": 7}))
        follow(topic, f"{topic}/other", token=mercure.create_subscription_jwt(topic, {"user": 8}))
        assert mercure.is_connected(topic, user=7)
        assert not mercure.is_connected(topic, user=9)
        assert (mercure.count(topic), mercure.count(f"{topic}/other")) == (2, 1)
        for subscription in mercure.subscriptions(topic):
            single = mercure.get_subscriptions(topic, subscription["subscriber"])
            assert single["payload"] == subscription["payload"]
        assert not mercure.is_connected(f"{topic}/nobody")

    def test_followers_of_a_template_are_found_by_it(
        self, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        template = f"{topic}/{{id}}"
        follow(template, token=mercure.create_subscription_jwt(template, {"user": 7}))
        assert mercure.is_connected(template, user=7)
        assert not mercure.is_connected(f"{topic}/7")

    def test_who_is_not_there_is_an_error_of_the_hubs(self, mercure: MercureSSE, topic: str) -> None:
        with pytest.raises(SubscriptionsError, match=r"answered 404: .*nobody of that name is there"):
            mercure.get_subscriptions(topic, "urn:uuid:nobody")

    def test_another_key_is_an_error_that_names_the_setting(self, hub: Hub, topic: str) -> None:
        app = speaking(hub, MERCURE_HUB_URL=hub.url, MERCURE_SUBSCRIBER_SECRET_KEY=OTHER_KEY)
        with pytest.raises(SubscriptionsError, match=r"answered 401: .*MERCURE_SUBSCRIBER_SECRET_KEY"):
            MercureSSE(app).count(topic)

    @pytest.mark.parametrize("of_all", [False, True])
    def test_who_comes_and_goes_is_a_signal(
        self, of_all: bool, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        came, went = Receiver(subscriber_connected), Receiver(subscriber_disconnected)
        with heard(mercure.subscribe_presence(None if of_all else topic)):
            token = mercure.create_subscription_jwt(topic, {"user": 7})
            follow(topic, token=token).close()
            follow(topic, token=token)  # hubs notice who has left when they write
            told = [_about(topic, came), _about(topic, went)]
        assert [one["payload"] for one in told] == [{"user": 7}] * 2
        assert told[0]["subscriber"] == told[1]["subscriber"]

    def test_the_command_lists_who_follows_what(
        self, app: Flask, hub: Hub, mercure: MercureSSE, topic: str, follow: Follow
    ) -> None:
        follow(topic, token=mercure.create_subscription_jwt(topic, {"user": 7}))
        _, text = command(app, "subscriptions", topic)
        [head, line] = text.splitlines()
        assert head.split() == ["TOPIC", "SUBSCRIBER", "PAYLOAD"]
        assert line.startswith(topic)
        assert line.endswith('{"user": 7}')
        other = speaking(hub, MERCURE_PUBLIC_HUB_URL=hub.audience or hub.url)
        MercureSSE(other)
        _, listed = command(other, "subscriptions", "--json", "--hub", hub.url)
        assert (topic, {"user": 7}) in [(one["topic"], one.get("payload")) for one in json.loads(listed)]
        assert command(app, "subscriptions", f"{topic}/nobody") == (0, "Nobody follows that.\n")


def _about(topic: str, receiver: Receiver) -> dict[str, Any]:
    """Wait for what is told of a topic: some hubs tell of whoever follows subscriptions as well."""
    while True:
        told = receiver.next_send()[1]
        if told["topic"] == topic:
            return told


class TestFollowing:
    @pytest.mark.usefixtures("with_history")
    def test_updates_are_a_signal_and_none_is_missed_while_it_connects_anew(
        self, mercure: MercureSSE, topic: str
    ) -> None:
        signal = Namespace().signal("heard")
        receiver = Receiver(signal)
        with heard(mercure.subscribe_signal(topic, signal, own=True)):
            for number in range(3):
                # Whoever joins or leaves a shared connection makes it go on by another.
                with mercure.subscribe_signal(f"{topic}/{number}", signal, own=True):
                    mercure.publish(topic, {"number": number}, private=True, wait=True)
            mercure.publish(topic, "last", private=True, wait=True)
            assert receiver.until("last") == [{"number": 0}, {"number": 1}, {"number": 2}, "last"]

    @pytest.mark.usefixtures("with_history")
    def test_the_command_shows_what_came_after_an_update(
        self, app: Flask, mercure: MercureSSE, topic: str
    ) -> None:
        first = mercure.publish(topic, "one", wait=True)
        mercure.publish(topic, "two\nlines", id=f"{topic}#2", type="note", private=True, wait=True)
        mercure.publish(topic, "three", id=f"{topic}#3", wait=True)
        options = ["subscribe", "--last-event-id", first, "--count", "2", topic]
        assert command(app, *options) == (
            0,
            f"id: {topic}#2\ntype: note\ndata: two\nlines\n\nid: {topic}#3\ndata: three\n\n",
        )
        _, lines = command(app, *options, "--json")
        assert json.loads(lines.splitlines()[0]) == {
            "id": f"{topic}#2",
            "type": "note",
            "data": "two\nlines",
        }

    def test_a_token_that_the_hub_does_not_take_is_one_line(
        self, app: Flask, hub: Hub, mercure: MercureSSE, topic: str
    ) -> None:
        stranger = speaking(hub, MERCURE_HUB_URL=hub.url, MERCURE_SUBSCRIBER_SECRET_KEY=OTHER_KEY)
        token = MercureSSE(stranger).create_subscription_jwt(topic)
        code, text = command(app, "subscribe", "--jwt", token, topic)
        assert code == 1
        assert "answered 401" in text.splitlines()[-1]

    def test_a_hub_that_is_down_is_one_line(self, app: Flask, mercure: MercureSSE) -> None:
        code, text = command(app, "subscribe", "--hub", GONE, "--last-event-id", "1", "--json", "/a")
        assert code == 1
        assert "could not be reached" in text

    def test_an_embedded_hub_needs_its_url(self) -> None:
        app = Flask("embedded")
        MercureSSE(app)
        code, text = command(app, "subscribe", "/a")
        assert code == 1
        assert "--hub" in text


def test_the_command_publishes_on_the_hub(
    app: Flask, mercure: MercureSSE, topic: str, follow: Follow
) -> None:
    stream = follow(topic, token=mercure.create_subscription_jwt(topic))
    options = ["--private", "--id", f"{topic}#1", "--type", "greeting", "--retry", "1500"]
    assert command(app, "publish", *options, topic, "hello") == (0, f"{topic}#1\n")
    event = stream.next()
    assert (event.id, event.type, event.data, event.retry) == (f"{topic}#1", "greeting", "hello", 1500)


@pytest.mark.usefixtures("with_subscriptions")
def test_the_doctor_finds_nothing_wrong(hub: Hub) -> None:
    app = speaking(
        hub,
        MERCURE_HUB_URL=hub.url,
        MERCURE_PUBLIC_HUB_URL=hub.audience or None,
        MERCURE_AUTHZ_COOKIE_NAME=hub.cookie_name,
    )
    MercureSSE(app)
    _, text = command(app, "doctor", "--json")
    found = {one["check"]: one["status"] for one in json.loads(text)["checks"]}
    assert {check for check, status in found.items() if status != "ok"} <= {"publisher key", "subscriber key"}
    assert {"subscribe", "publish", "delivery", "private updates", "cookie", "presence"} <= found.keys()


def test_a_hub_that_is_down_cannot_tell_who_is_there() -> None:
    mercure = MercureSSE(Flask("tests"), GONE, publisher_jwt="a.b.c", subscriber_secret_key=OTHER_KEY)
    with pytest.raises(SubscriptionsError, match="could not be reached"):
        mercure.is_connected("/a")


@pytest.mark.parametrize("protocol", ["0.x", "1.0"])
def test_behind_two_urls_the_app_uses_its_own_and_browsers_get_theirs(protocol: str) -> None:
    with closing(Line()) as line:
        public = line.url + PATH
        with targets.standalone(protocol, public_url=public) as internal:
            line.target = urlsplit(internal).port or 0
            hub = targets.described(internal, protocol)
            app = speaking(hub, MERCURE_HUB_URL=internal, MERCURE_PUBLIC_HUB_URL=public)
            mercure = MercureSSE(app)
            address = mercure.hub_url("/a")
            assert address.startswith(f"{public}?")
            token = mercure.create_subscription_jwt("/a", {"user": 7})
            with closing(Stream(line.url, "GET", address.removeprefix(line.url), bearer(token))) as stream:
                stream.wait_for_comment()
                connections = line.count
                event_id = mercure.publish("/a", "x", private=True)
                assert stream.next().id == event_id
                assert mercure.is_connected("/a", user=7)
                with heard(mercure.subscribe_signal("/a", Namespace().signal("heard"))):
                    assert mercure.flush(PATIENCE)
                assert line.count == connections == 1
            _, text = command(app, "doctor", "--json")
            assert [one for one in json.loads(text)["checks"] if one["status"] == "failed"] == []
