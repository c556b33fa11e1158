"""In order per topic: what stops what."""

from __future__ import annotations

from flask_mercure_sse.integrations.outbox_order import Order


def test_updates_of_other_topics_go_on() -> None:
    order = Order()
    order.stop(None, ["/a"])
    assert order.may_go(None, ["/b"])
    assert not order.may_go(None, ["/a"])


def test_an_alternate_topic_stops_as_the_canonical_one_does() -> None:
    order = Order()
    order.stop(None, ["/a/1", "/a"])
    assert not order.may_go(None, ["/a/2", "/a"])


def test_what_is_stopped_stops_those_behind_it() -> None:
    order = Order()
    order.stop(None, ["/a"])
    assert not order.may_go(None, ["/a", "/b"])
    assert not order.may_go(None, ["/b"])
    assert order.may_go(None, ["/c"])


def test_the_same_topic_on_another_hub_is_another_topic() -> None:
    order = Order()
    order.stop("http://one", ["/a"])
    assert order.may_go(None, ["/a"])
    assert not order.may_go("http://one", ["/a"])
