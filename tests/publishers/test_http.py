"""Publishing to a hub over HTTP, against a hub that answers what a test wants."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_mercure_sse import PublishError, Update
from flask_mercure_sse.protocol.limits import Limits
from flask_mercure_sse.protocol.publishing import read_update
from flask_mercure_sse.publishers.connections import Connections, Timeouts
from flask_mercure_sse.publishers.http import HttpPublisher
from flask_mercure_sse.publishers.noting import NotingPublisher
from tests.publishers.fake_hub import FakeHub


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.close()


@pytest.fixture
def publisher(hub: FakeHub) -> Iterator[HttpPublisher]:
    publisher = HttpPublisher(hub.url, lambda: "a.b.c", timeouts=Timeouts(1, 0.5))
    yield publisher
    publisher.close()


def test_every_field_of_an_update_is_sent_with_the_token(hub: FakeHub, publisher: HttpPublisher) -> None:
    update = Update(("/a", "/é"), "data &=\n", True, "my-id", "type", 5)
    assert publisher.publish(update) == "its-id"
    [(authorization, fields)] = hub.requests
    assert authorization == "Bearer a.b.c"
    assert read_update(fields, Limits()) == update


def test_a_hub_without_an_answer_leaves_the_updates_own_id(hub: FakeHub, publisher: HttpPublisher) -> None:
    hub.status, hub.answer = 201, ""
    assert publisher.publish(Update(("/a",), id="my-id")) == "my-id"


@pytest.mark.parametrize("answer", ["<html>hello</html>", "two\nlines", "x" * 5000])
def test_an_answer_that_is_no_event_id_is_an_error(
    answer: str, hub: FakeHub, publisher: HttpPublisher
) -> None:
    hub.answer = answer
    with pytest.raises(PublishError, match="is it a Mercure hub"):
        publisher.publish(Update(("/a",)))


def test_a_password_of_the_users_netrc_is_not_sent(
    hub: FakeHub, publisher: HttpPublisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login joe password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    publisher.publish(Update(("/a",)))
    assert hub.requests[0][0] == "Bearer a.b.c"


def test_updates_share_one_connection(hub: FakeHub, publisher: HttpPublisher) -> None:
    for number in range(5):
        publisher.publish(Update(("/a",), str(number)))
    assert len(hub.requests) == 5
    assert len(hub.connections) == 1


@pytest.mark.parametrize("status", [301, 400, 401, 403, 413, 429, 500, 503])
def test_a_refusal_names_the_hub_its_status_and_its_answer(
    status: int, hub: FakeHub, publisher: HttpPublisher
) -> None:
    hub.status, hub.answer, hub.headers = status, "because " + "x" * 1000, {"Location": "http://127.0.0.1:1/"}
    with pytest.raises(PublishError) as raised:
        publisher.publish(Update(("/a",)))
    error = raised.value
    assert (error.hub, error.status) == (hub.url, status)
    assert str(error).startswith(f"the hub {hub.url} answered {status}: because x")
    assert len(str(error)) < 400
    assert "a.b.c" not in str(error)


def test_a_hub_that_is_down_is_an_error_that_names_it(hub: FakeHub, publisher: HttpPublisher) -> None:
    hub.close()
    with pytest.raises(PublishError, match=f"the hub {hub.url} could not be reached") as raised:
        publisher.publish(Update(("/a",)))
    assert raised.value.status is None


def test_a_hub_that_does_not_answer_is_given_up(hub: FakeHub, publisher: HttpPublisher) -> None:
    hub.delay = 1.2
    with pytest.raises(PublishError, match="no answer within the time limit"):
        publisher.publish(Update(("/a",)))


def test_a_cookie_of_the_hub_is_not_kept(hub: FakeHub, publisher: HttpPublisher) -> None:
    hub.headers = {"Set-Cookie": "session=x; Path=/"}
    publisher.publish(Update(("/a",)))
    assert len(publisher._connections.session().cookies) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_process_makes_its_own_session() -> None:
    connections = Connections()
    session = connections.session()
    assert connections.session() is session
    connections._process = os.getpid() + 1  # as it is in a child
    assert connections.session() is not session


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0), ("soon", None), ("", None)]
)
def test_a_refusal_tells_how_long_the_hub_wants_to_be_left_alone(
    value: str, seconds: float | None, hub: FakeHub, publisher: HttpPublisher
) -> None:
    """RFC 9110, Retry-After."""
    hub.status, hub.headers = 429, {"Retry-After": value}
    with pytest.raises(PublishError) as raised:
        publisher.publish(Update(("/a",)))
    assert raised.value.retry_after == seconds


@pytest.mark.parametrize(("headers", "fault"), [({"WWW-Authenticate": "Bearer"}, "hub"), ({}, "update")])
def test_a_token_that_is_none_is_no_updates_fault(
    headers: dict[str, str], fault: str, hub: FakeHub, publisher: HttpPublisher
) -> None:
    """RFC 6750, Error Codes: `invalid_request` is answered with 400 and a challenge."""
    hub.status, hub.headers = 400, headers
    with pytest.raises(PublishError) as raised:
        publisher.publish(Update(("/a",)))
    assert raised.value.fault == fault
    assert pickle.loads(pickle.dumps(raised.value)).fault == fault


def test_a_hub_that_is_down_is_told_as_the_system_tells_it(hub: FakeHub, publisher: HttpPublisher) -> None:
    hub.close()
    with pytest.raises(PublishError, match=r"could not be reached: Connection refused$"):
        publisher.publish(Update(("/a",)))


def test_an_endless_answer_is_cut(hub: FakeHub, publisher: HttpPublisher) -> None:
    hub.status, hub.answer = 500, "x" * 1_000_000
    with pytest.raises(PublishError, match="answered 500: xxx"):
        publisher.publish(Update(("/a",)))


def test_errors_cross_the_pipes_of_process_pools(hub: FakeHub, publisher: HttpPublisher) -> None:
    hub.status = 503
    with pytest.raises(PublishError) as raised:
        publisher.publish(Update(("/a",)))
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (str(copy), copy.status, copy.is_temporary) == (str(raised.value), 503, True)


def test_an_id_is_noted_before_its_update_is_sent_and_so_is_one_that_the_hub_makes(
    hub: FakeHub, publisher: HttpPublisher
) -> None:
    noted: list[tuple[str, int]] = []
    noting = NotingPublisher(publisher, lambda ids: noted.extend((one, len(hub.requests)) for one in ids))
    noting.publish(Update(("/a",), id="my-id"))
    assert noted == [("my-id", 0), ("its-id", 1)]
