"""What a stranger can make the hub spend: never much more than a friendly request of the same size.

Times are processor times of this thread, and each is compared with a friendly one of the same run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from flask_mercure_sse.protocol.errors import InvalidRequest
from flask_mercure_sse.protocol.limits import MAX_SELECTOR_LENGTH, MAX_TOPIC_LENGTH
from flask_mercure_sse.protocol.rights import Rights
from flask_mercure_sse.protocol.selectors import Selector, template_selector
from flask_mercure_sse.protocol.v0 import Mercure0
from flask_mercure_sse.protocol.v1 import Mercure1
from tests.conformance import tokens

from .conftest import IN_1, IN_ONE
from .target import API, FORM, HUB, ISSUER, SECRETS, URL, Target

CLOCK_STEP = 0.0002
"""Seconds below which a time says nothing."""

LINE = 64 * 1024
"""Bytes of a request's first line that a server takes."""


def cost(action: Callable[[], object], times: int = 3) -> float:
    """Return the least processor time of an action, in seconds."""
    least = float("inf")
    for _ in range(times):
        start = time.thread_time()
        action()
        least = min(least, time.thread_time() - start)
    return max(least, CLOCK_STEP)


# Selectors

fresh = count()
"""Numbers that make a text that no cache knows."""

PATTERNS = {
    "nested repetition": "(a|a)*b",
    "repetition of a group": "([^/]+)+x",
    "repetition of repetition": "((a+)+)b",
    "two wildcards in a row": "(.*)(.*)(.*)(.*)x",
    "many wildcards": "/" + "*" * 60,
    "many names": "/" + "/".join(f":a{number}" for number in range(60)),
    "many optional groups": "/{a}?" * 100,
    "a huge class many times": "(\\w{1,1000})",
    "a class of Unicode": "(\\p{L}+)",
    "a counted repetition": "(a{1,255}){1,255}",
    "states without number": "(.*[0-9].{20})",
    "fewer states without number": "/(.*a.{8})",
    "a choice of many": f"/({'|'.join(f'a{number}' for number in range(500))})",
    "optional letters": f"({'a?' * 30}{'a' * 30})",
    "look-ahead": "((?=a)b)",
    "a back reference": "(a)\\1",
    "parentheses without an end": "(" * 500,
    "braces without an end": "{" * 500,
    "a set without an end": "[" * 500,
    "a wildcard in every part": "*://*:*@*:*/*?*#*",
    "as long as it may be": "/" + "x" * (MAX_SELECTOR_LENGTH - 10),
    "long and not ASCII": "/" + "é" * 2000,
    "long and escaped": "/" + "\\a" * 2000,
    "a long name": "/:" + "a" * 4000,
}

TEMPLATES = {
    "variables in a row": "{a}{b}{c}{d}" * 12,
    "reserved variables in a row": "{+a}{+b}{+c}{+d}" * 12,
    "letters between": "".join(f"{{+a}}{letter}" for letter in "aeb/" * 16),
    "optional expressions": "{/a}{.b}{;c}{?d}{&e}{#f}" * 10,
    "lists": "{/a*}{.b*}{?c*}" * 20,
    "many names of one": f"{{/{','.join('a' * 60)}}}",
    "braces without an end": "{" * 4000,
    "variables without an end": "{a," * 1300,
    "a modifier without an end": "{a:1" * 1000,
    "a long name": "{" + "a." * 2000 + "a}",
    "a literal as long as it may be": "{a}" + "x" * 4000,
}

BY_VERSION = {"0.x": ("topic", TEMPLATES), "1.0": ("match_urlpattern", PATTERNS)}
FRIENDLY = {"0.x": "https://example.com/books/{id}", "1.0": "https://example.com/books/:id"}


def asked(target: Target, selectors: Iterable[str]) -> Callable[[], object]:
    """Return a request for selectors that differ from one time to the next."""
    parameter, _ = BY_VERSION[target.version.protocol]
    texts = list(selectors)

    def ask() -> None:
        query = urlencode([(parameter, f"{text}{'' if '[' in text else next(fresh)}") for text in texts])
        target.request("HEAD", f"{HUB}?{query}")

    return ask


def dear_requests(target: Target, times: int, bound: float) -> dict[str, float]:
    """Return how much more than a friendly one each hostile selector costs, so many times in one request.

    One that is longer than the friendly one may cost more as it is longer, and comes as often as a line of
    a request can hold it.
    """
    version = target.version.protocol
    friendly = FRIENDLY[version]
    unit = cost(asked(target, [friendly] * times))
    ratios: dict[str, float] = {}
    for name, text in BY_VERSION[version][1].items():
        number = max(1, min(times, LINE // len(quote(text))))
        size = max(1.0, number * len(quote(text)) / (times * len(friendly)))
        ratios[name] = cost(asked(target, [text] * number), 2) / unit / size
    return {name: ratio for name, ratio in ratios.items() if ratio > bound}


@IN_ONE
def test_no_selector_costs_much_more_than_a_friendly_one(target: Target) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service."""
    assert dear_requests(target, times=1, bound=60) == {}


@IN_ONE
def test_a_hundred_of_the_worst_selectors_cost_little_more_than_a_hundred_friendly_ones(
    target: Target,
) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service."""
    assert dear_requests(target, times=100, bound=30) == {}


TOPICS = {
    "letters": "/" + "a" * (MAX_TOPIC_LENGTH - 1),
    "letters and another": "/" + "ab" * 2047,
    "digits and a letter": "/" + "0" * 4094 + "x",
    "slashes": "/" * MAX_TOPIC_LENGTH,
    "folders": "https://example.com" + "/a" * 2038,
    "dots": "." * MAX_TOPIC_LENGTH,
    "dots and letters": "a." * 2048,
    "ampersands": "&" * MAX_TOPIC_LENGTH,
    "percent signs": "%41" * 1365,
    "beyond ASCII": "/" + "é" * 4095,
    "question marks": "?" * MAX_TOPIC_LENGTH,
}


def compiled(version: str, hostile: dict[str, str]) -> dict[str, Selector]:
    """Return those selectors that a client may have."""
    rules = Mercure0() if version == "0.x" else Mercure1(URL)
    parameter, _ = BY_VERSION[version]
    accepted: dict[str, Selector] = {}
    for name, text in hostile.items():
        with suppress(InvalidRequest):
            accepted[name] = rules.subscribe_request([(parameter, text)], None).selectors[0]
    return accepted


def dear_matches(
    selectors: dict[str, Selector], friendly: Selector, topics: dict[str, str]
) -> dict[tuple[str, str], float]:
    """Return how much more than the friendly selector's dearest topic each match costs."""
    dearest = max(cost(lambda topic=topic: friendly.matches(topic)) for topic in topics.values())
    ratios = {
        (name, topic): cost(lambda selector=selector, text=text: selector.matches(text), 2) / dearest
        for name, selector in selectors.items()
        for topic, text in topics.items()
    }
    return {where: ratio for where, ratio in ratios.items() if ratio > 40}


@pytest.mark.parametrize("version", BY_VERSION)
def test_no_selector_costs_much_more_than_a_friendly_one_for_any_topic(version: str) -> None:
    """Mercure 1.0, URL-Pattern Denial of Service."""
    friendly = template_selector("{+x}") if version == "0.x" else compiled(version, {"": "*://*/*"})[""]
    selectors = compiled(version, BY_VERSION[version][1])
    assert len(selectors) >= 8
    assert dear_matches(selectors, friendly, TOPICS) == {}


PLACES = {
    "dots": (f"{{.{','.join('a' * 1000)}}}", "." * 1000),
    "dots anywhere": (f"{{+a}}{{.{','.join('a' * 1000)}}}", "." * 1000),
    "ampersands anywhere": (f"{{+a}}{{&{','.join('a' * 1000)}}}", "&" * 1000),
    "slashes anywhere": (f"{{+a}}{{/{','.join('a' * 1000)}}}", "/" * 1000),
    "letters of a literal": ("/{a}" + "a" * 1000, "/" + "a" * 1000),
    "escapes of a literal": ("{a}" + "%41" * 1000, "%41" * 1000),
}


@pytest.mark.parametrize("places", PLACES)
def test_a_topic_is_never_at_many_places_of_a_template_at_once(places: str) -> None:
    """Mercure 0.x, Topic Selectors: a stranger's selectors are tried while the hub holds its lock."""
    template, topic = PLACES[places]
    selectors = compiled("0.x", {places: template})
    assert dear_matches(selectors, template_selector("{+x}"), {places: topic}) == {}


@IN_1
def test_a_pattern_that_a_token_grants_costs_no_more_than_one_that_is_asked_for(target: Target) -> None:
    """Mercure 1.0, Topic Matcher List: also those that are refused."""
    friendly = cost(lambda: target.ask(API, token=granting(target, FRIENDLY["1.0"])))
    dear = {
        name: cost(lambda text=text: target.ask(API, token=granting(target, text))) / friendly
        for name, text in PATTERNS.items()
    }
    assert {name: ratio for name, ratio in dear.items() if ratio > 100} == {}


def granting(target: Target, pattern: str) -> str:
    return target.subscriber_token({"match": f"{pattern}{next(fresh)}", "match_type": "urlpattern"})


# What is sent

BODY = 1024 * 1024

BODIES: dict[str, str] = {
    "escapes": "topic=/a&data=" + "%41" * (BODY // 3 - 10),
    "escapes that are none": "topic=/a&data=" + "%" * (BODY - 20),
    "line breaks": "topic=/a&data=" + "\n" * (BODY - 20),
    "encoded line breaks": "topic=/a&data=" + "%0D" * (BODY // 3 - 10),
    "fields": "topic=/a" + "&a=b" * 4095,
    "fields without number": "&" * BODY,
    "equals signs": "topic=/a&" + "=" * (BODY - 20),
    "topics": "&".join(f"topic=/{number}" for number in range(1000)),
    "long topics": "&".join("topic=/" + "a" * 4000 for _ in range(250)),
    "parents": "&".join("topic=" + "/a" * 1000 + "/.." * 690 for _ in range(200)),
    "encoded parents": "&".join("topic=" + "/a" * 500 + "/%252e%252e" * 270 for _ in range(200)),
    "slashes": "&".join("topic=" + "/" * 4000 for _ in range(250)),
    "a long id": "topic=/a&id=" + "a" * (BODY - 20),
    "a long id that is unclean": "topic=/a&id=" + "a" * (BODY - 30) + "%00",
    "a long id beyond ASCII": "topic=/a&id=" + "é" * (BODY // 2 - 20),
    "a long number": "topic=/a&retry=" + "9" * (BODY - 20),
    "plus signs": "topic=/a&data=" + "+" * (BODY - 20),
}


@IN_ONE
def test_no_body_costs_much_more_than_a_friendly_one_of_its_size(target: Target) -> None:
    """Mercure 1.0, Publication."""
    token = target.publisher_token()

    def send(body: str) -> Callable[[], object]:
        content = body.encode()
        assert len(content) <= BODY
        return lambda: target.request("POST", HUB, token=token, data=content, content_type=FORM)

    friendly = cost(send("topic=/a&data=" + quote("é, è") * (BODY // 20)), times=2)
    dear = {name: cost(send(body), times=1) / friendly for name, body in BODIES.items()}
    assert {name: ratio for name, ratio in dear.items() if ratio > 30} == {}


LONG = 60_000
VALUES: dict[str, str] = {
    "spaces": " " * LONG,
    "commas": "," * LONG,
    "semicolons": ";" * LONG,
    "quotes": '"' * LONG,
    "quotes without an end": '"a,' * (LONG // 3),
    "backslashes": '"' + "\\" * LONG,
    "pairs": "a=b; " * (LONG // 5),
    "quoted pairs": 'a="\\"; ' * (LONG // 7),
    "weak tags": 'W/"a",' * (LONG // 6),
    "spaces and commas": ("a" + " " * 99) * (LONG // 100),
    "stars": "a*0*=utf-8''%41;" * (LONG // 16),
    "slashes": "/" * LONG,
    "brackets": "[" * LONG,
    "at signs": "https://" + "@" * LONG,
    "bearer": "Bearer " + " " * LONG + "x",
    "bearer and dots": "Bearer " + "." * LONG,
    "bearer and equals signs": "Bearer " + "a=" * (LONG // 2),
}


@IN_ONE
@pytest.mark.parametrize(
    "header",
    [
        "Authorization",
        "Cookie",
        "Origin",
        "Referer",
        "If-None-Match",
        "Last-Event-ID",
        "Content-Type",
        "Host",
    ],
)
def test_no_header_costs_much_more_than_a_friendly_one_of_its_size(target: Target, header: str) -> None:
    """Mercure 1.0, Security Considerations."""
    cookie = f"{target.version.cookie_name}={target.publisher_token()}"
    token = target.subscriber_token("*")

    def send(value: str) -> Callable[[], object]:
        def ask() -> None:
            headers = {header: value}
            target.request("HEAD", f"{HUB}?{target.query('/a')}", headers=headers)
            target.request("GET", API, headers={"Authorization": f"Bearer {token}", **headers})
            target.request("POST", HUB, data=b"topic=/a", headers={"Cookie": cookie, **headers})
            target.request("QUERY", HUB, data=b"match=/a", headers=headers)

        return ask

    friendly = cost(send("a" * LONG))
    dear = {name: cost(send(value), times=2) / friendly for name, value in VALUES.items()}
    assert {name: ratio for name, ratio in dear.items() if ratio > 100} == {}


CLAIMS: dict[str, str] = {
    "brackets in a text": '{"a":"' + "[" * 10_000 + '"}',
    "quotes": '{"a":"' + '\\"' * 5000 + '"}',
    "quotes without an end": '{"a":' + '"' * 10_000,
    "escapes": '{"a":"' + "\\u0041" * 1500 + '"}',
    "lists": '{"a":[' + "[]," * 3000 + "0]}",
    "names": "{" + ",".join(f'"{number}":0' for number in range(1000)) + "}",
    "numbers": '{"a":' + "9" * 4000 + "}",
    "a number with an exponent": '{"exp":1e' + "0" * 4000 + "}",
    "spaces": " " * 10_000 + "{}",
}


@IN_ONE
def test_no_token_costs_much_more_than_a_friendly_one_of_its_size(target: Target) -> None:
    """Mercure 1.0, Token Validation: anybody can send one."""
    secret = SECRETS[ISSUER, "subscriber"].encode()

    def send(claims: str) -> Callable[[], object]:
        token = tokens.signed_by_hand(claims, secret, **target.header)
        return lambda: target.open(target.query("/a"), token=token)

    friendly = cost(send(json.dumps({"a": "a" * 10_000})))
    dear = {name: cost(send(claims)) / friendly for name, claims in CLAIMS.items()}
    assert {name: ratio for name, ratio in dear.items() if ratio > 100} == {}


# What is told


@pytest.mark.parametrize("field", ["id", "type", "topic"])
def test_a_refusal_is_short_however_long_what_it_refuses(
    field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """CWE-779: a publisher does not fill the disk with its mistakes."""
    caplog.set_level("DEBUG")
    target = Target("1.0", "1.0")
    text = "\U000e0041" * (1000 if field == "topic" else 200_000)
    answer = target.post([("topic", "/a")] * (field != "topic") + [(field, text)])
    assert answer.status_code in (400, 413)
    assert len(answer.text) < 1000
    assert all(len(record.getMessage()) < 1000 for record in caplog.records)


@pytest.mark.parametrize("length", [70_000, 500_000])
def test_an_id_that_no_header_can_hold_is_refused(length: int) -> None:
    """Mercure 1.0, Reconciliation: it comes back in a header, which servers refuse if it is too long.

    One publisher would shut out everybody who follows its topic, and break the subscription API for all.
    """
    target = Target("1.0", "1.0")
    answer = target.post({"topic": "/a", "id": "x" * length})
    assert answer.status_code in (400, 413)


def test_a_document_of_one_subscription_costs_the_look_up_of_one_payload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mercure 1.0, Subscription API: the hub holds its lock meanwhile, so every publisher waits."""
    target = Target("1.0", "1.0")
    target.follow(*(f"/{number}" for number in range(100)))
    target.follow("/mine")
    looked_up: list[Any] = []
    payload_for = Rights.payload_for
    monkeypatch.setattr(
        Rights, "payload_for", lambda rights, text: looked_up.append(text) or payload_for(rights, text)
    )
    path = target.version.subscriptions_path(API, "/mine")
    answer = target.ask(path, token=target.subscriber_token(path))
    assert len(answer.get_json(force=True)["subscriptions"]) == 1
    assert looked_up == ["/mine"]
    target.close()


def test_nobody_follows_unseen_by_asking_for_a_long_selector() -> None:
    """Mercure 1.0, Subscription Events: percent-encoded in their topic, it is up to twelve times as long."""
    target = Target("1.0", "1.0")
    events, grant = target.version.every_subscription(API)
    watcher = target.read(urlencode([events]), token=target.subscriber_token(grant))
    for selector in ("/" * 1400, "é" * 700, "🎈" * 400, "x" * MAX_SELECTOR_LENGTH):
        target.follow(selector)
        assert [event["match"] for event in watcher.documents] == [selector]
    target.close()


def test_a_selector_that_is_too_long_is_refused(target: Target) -> None:
    """Mercure 1.0, Subscription."""
    parameter = target.version.topic_parameter
    assert target.open(f"{parameter}={'x' * (MAX_SELECTOR_LENGTH + 1)}").status_code == 400
    assert target.open(f"{parameter}={quote('🎈') * (MAX_SELECTOR_LENGTH + 1)}").status_code == 400


def test_more_selectors_than_a_subscriber_may_have_are_refused(target: Target) -> None:
    """Mercure 1.0, Subscription."""
    number = 1001 if target.version.protocol == "0.x" else 101
    assert target.open(target.query(*map(str, range(number)))).status_code == 400
    assert target.open("&".join(["x=y"] * 5000)).status_code == 400


def test_a_topic_that_is_too_long_is_refused(target: Target) -> None:
    """Mercure 1.0, Publication."""
    assert target.post({"topic": "x" * (MAX_TOPIC_LENGTH + 1)}).status_code == 413
    assert target.post([("topic", str(number)) for number in range(1001)]).status_code == 413
