"""Pages of other sites: they publish nothing with a user's cookie, and read nothing that is not for them."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from flask_mercure_sse.server.cors import ANY, checked_origins

from .conftest import IN_1, IN_BOTH, MakeTarget
from .target import API, HUB, METADATA, PAGE, SPOKEN, Target

FOREIGN = [
    "null",
    "",
    " ",
    "*",
    "https://evil.example",
    "https://evil-app.example",
    "https://app.example.evil.example",
    "https://app.example.",
    "https://app.exampl",
    "https://app.examplee",
    "https://app-example",
    "https://appXexample",
    "https://sub.app.example",
    "https://example",
    "http://app.example",
    "https://app.example:80",
    "https://app.example:443",
    "https://app.example:8443",
    "https://app.example/",
    "https://app.example/x",
    "https://app.example?",
    "https://app.example#",
    "https://APP.example",
    "HTTPS://app.example",
    "https:app.example",
    "https:/app.example",
    "https:\\\\app.example",
    "//app.example",
    "app.example",
    "https://user@app.example",
    "https://app.example@evil.example",
    "https://evil.example@app.example",
    "https://evil.example#@app.example",
    "https://evil.example/https://app.example",
    "https://app.example,https://evil.example",
    "https://evil.example,https://app.example",
    "https://app.example https://evil.example",
    "https://app.example\t",
    "https://app.example\0",
    "https://\xe0pp.example",
    "file://",
    "chrome-extension://app.example",
    "data:,x",
    "blob:https://app.example/x",
    "https://hub.example",
    "https://[::1]",
]
"""What is not the one origin that may, although some of it looks like it."""

REFERERS = [
    "",
    "null",
    "about:blank",
    "https://evil.example/",
    "https://evil.example/?https://app.example/",
    "https://evil.example/https://app.example",
    "https://evil.example#https://app.example",
    "https://app.example@evil.example/",
    "https://app.example:pass@evil.example/",
    "https://app.example%2F@evil.example/",
    "https://app.example\\@evil.example/",
    "https://app.example.evil.example/",
    "https://evil-app.example/",
    "https://app.example:8443/",
    "http://app.example/",
    "//app.example/",
    "app.example/",
    "https:///app.example/",
    "https://[app.example/",
    "https://[::1]app.example/",
    "https://app.example:x/",
    "https://app.example:99999/",
    "https://app。example.evil.example/",
    "javascript:https://app.example/",
    "data:https://app.example/",
    "https://evil.example/,https://app.example/",
]
"""Pages that are not of the one origin that may."""


def post(target: Target, **headers: str) -> TestResponse:
    cookie = f"{target.version.cookie_name}={target.publisher_token()}"
    return target.post({"topic": "/a"}, headers={"Cookie": cookie, **headers})


def refused(target: Target, answer: TestResponse) -> bool:
    status = 401 if target.version.protocol == "0.x" else 400
    return answer.status_code == status and answer.text in ("Unauthorized\n", "Bad Request\n")


# Publishing with a cookie


def test_the_page_that_may_publishes_with_its_cookie(target: Target) -> None:
    """Mercure 1.0, Security Considerations: or the other tests here would show nothing."""
    assert post(target, Origin=PAGE).status_code == 200
    assert post(target, Referer=f"{PAGE}/some/page?x#y").status_code == 200
    assert post(target, Referer=f"{PAGE}:443").status_code == 200


def test_a_foreign_page_publishes_nothing(target: Target) -> None:
    """Mercure 1.0, Security Considerations: nor does a good Referer help it."""
    reader = target.follow("/a")
    let_in = [
        origin
        for origin in FOREIGN
        for more in ({}, {"Referer": f"{PAGE}/"})
        if not refused(target, post(target, Origin=origin, **more))
    ]
    assert let_in == []
    assert reader.bytes() == b""


def test_a_foreign_referer_publishes_nothing(target: Target) -> None:
    """Mercure 1.0, Security Considerations."""
    reader = target.follow("/a")
    sent = {referer: referer.encode().decode("latin-1") for referer in REFERERS}
    assert [referer for referer in REFERERS if not refused(target, post(target, Referer=sent[referer]))] == []
    assert reader.bytes() == b""


def test_a_request_that_does_not_say_its_page_publishes_nothing(target: Target) -> None:
    """Mercure 1.0, Security Considerations: a page can keep its Referer back."""
    assert refused(target, post(target))
    assert refused(target, post(target, Host="app.example", **{"X-Forwarded-Host": "app.example"}))
    assert refused(
        target, post(target, **{"Sec-Fetch-Site": "same-origin", "X-Requested-With": "XMLHttpRequest"})
    )


def test_a_foreign_page_learns_nothing_about_the_cookie(target: Target) -> None:
    """Mercure 1.0, Security Considerations: the same answer whether it is good, bad or grants too little."""
    tokens = [target.publisher_token(), target.publisher_token("/b"), "a" * 50, target.subscriber_token("*")]
    if target.protocol == "both":
        del tokens[2:3]  # nobody knows the version of that one
    answers = []
    for token in tokens:
        cookie = f"{target.version.cookie_name}={token}"
        answer = target.post({"topic": "/a"}, headers={"Cookie": cookie, "Origin": "https://evil.example"})
        answers.append((answer.status, answer.text, sorted(answer.headers)))
    assert answers == answers[:1] * len(tokens)


def test_a_token_in_the_header_needs_no_page(target: Target) -> None:
    """Mercure 1.0, Security Considerations: no browser adds it by itself."""
    token = target.publisher_token()
    headers = {"Origin": "https://evil.example"}
    assert target.post({"topic": "/a"}, token=token, headers=headers).status_code == 200


def test_a_bad_header_does_not_turn_the_check_of_the_cookie_off(target: Target) -> None:
    """Mercure 1.0, Authorization HTTP Header."""
    for authorization in ("", "Bearer", "Bearer x", f"Bearer {'a' * 50}", "Basic dTpw"):
        assert post(target, Authorization=authorization, Origin=PAGE).status_code in (400, 401)


@pytest.mark.parametrize("methods", [["GET"], ["HEAD"], ["QUERY"], ["PUT"], ["PATCH"], ["OPTIONS"]], ids=str)
def test_no_other_method_publishes(target: Target, methods: list[str]) -> None:
    """Mercure 1.0, Publication: not by a form that names it, nor by a header."""
    reader = target.follow("/a")
    for method in methods:
        cookie = f"{target.version.cookie_name}={target.publisher_token()}"
        headers = {"Cookie": cookie, "Origin": PAGE, "X-HTTP-Method-Override": "POST"}
        answer = target.request(
            method, f"{HUB}?topic=/a&data=x&_method=POST", headers=headers, data={"topic": "/a"}
        )
        answer.close()
    assert reader.bytes() == b""


@IN_BOTH
def test_the_cookie_of_the_other_version_opens_no_way_around(target: Target) -> None:
    """Mercure 1.0, Security Considerations."""
    for name in ("mercureAuthorization", "__Secure-mercure_access_token", "mercure_access_token"):
        cookie = f"{name}={target.publisher_token()}"
        answer = target.post({"topic": "/a"}, headers={"Cookie": cookie, "Origin": "https://evil.example"})
        assert answer.status_code in (400, 401)


@IN_1
def test_over_tls_only_the_cookie_with_the_prefix_counts(target: Target) -> None:
    """Mercure 1.0, Cookie: the others may be of any host of the domain."""
    for name in ("mercure_access_token", "__secure-mercure_access_token", "__Host-mercure_access_token"):
        cookie = f"{name}={target.publisher_token()}"
        assert target.post({"topic": "/a"}, headers={"Cookie": cookie, "Origin": PAGE}).status_code == 401


def test_no_list_of_publishers_holds_every_origin() -> None:
    """Mercure 1.0, Security Considerations."""
    for origins in (ANY, "https://app.example *", "null", "https://app.example/"):
        with pytest.raises(ValueError):
            checked_origins(origins, allow_any=False)


# Reading from another page


def every_answer(target: Target, **headers: str) -> list[TestResponse]:
    """Return answers of all kinds: streams, documents, refusals, preflights."""
    token = target.subscriber_token("*")
    answers = [
        target.open(target.query("/a"), headers=headers),
        target.open(target.query("/a"), token=token, headers=headers),
        target.open("", headers=headers),
        target.ask(API, token=token, headers=headers),
        target.ask(API, headers=headers),
        target.ask(METADATA, headers=headers),
        target.ask("/x", headers=headers),
        target.post({"topic": "/a"}, token=target.publisher_token(), headers=headers),
        target.post({"topic": ""}, token=target.publisher_token(), headers=headers),
        target.request("DELETE", HUB, headers=headers),
        *(
            target.request(
                "OPTIONS",
                path,
                headers={
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization",
                    "Access-Control-Request-Private-Network": "true",
                    **headers,
                },
            )
            for path in (HUB, API, METADATA, "/x")
        ),
    ]
    for answer in answers:
        answer.close()
    return answers


def permissions(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


@pytest.fixture
def open_target(make: MakeTarget) -> Target:
    """A hub that one other origin's pages may use."""
    return make(cors=(PAGE,))


def test_the_page_that_may_reads_every_answer_with_its_cookie(open_target: Target) -> None:
    """Mercure 1.0, Subscription: or the other tests here would show nothing."""
    for answer in every_answer(open_target, Origin=PAGE):
        assert permissions(answer)["Access-Control-Allow-Origin"] == PAGE
        assert permissions(answer)["Access-Control-Allow-Credentials"] == "true"


def test_a_foreign_page_is_let_in_nowhere(open_target: Target) -> None:
    """Mercure 1.0, Subscription: no origin is given back for having been sent."""
    let_in = [
        (origin, answer.request.method, answer.request.path)
        for origin in FOREIGN
        for answer in every_answer(open_target, Origin=origin)
        if permissions(answer)
    ]
    assert let_in == []


def test_every_answer_says_that_it_depends_on_the_origin(open_target: Target) -> None:
    """Fetch, CORS protocol and HTTP caches: also what is answered to those who send none."""
    for headers in ({}, {"Origin": PAGE}, {"Origin": "https://evil.example"}):
        for answer in every_answer(open_target, **headers):
            assert answer.headers.getlist("Vary") == ["Origin"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", PAGE, "*", ""])
def test_where_every_page_may_read_none_may_with_a_cookie(make: MakeTarget, origin: str) -> None:
    """Mercure 1.0, Subscription."""
    for answer in every_answer(make(cors=(ANY,)), Origin=origin):
        assert permissions(answer)["Access-Control-Allow-Origin"] == ANY
        assert "Access-Control-Allow-Credentials" not in permissions(answer)


def test_one_origin_beside_all_others_is_the_only_one_with_a_cookie(make: MakeTarget) -> None:
    """Mercure 1.0, Subscription."""
    target = make(cors=(ANY, PAGE))
    for origin in ("https://evil.example", "null", ANY, "https://evil-app.example"):
        for answer in every_answer(target, Origin=origin):
            assert permissions(answer)["Access-Control-Allow-Origin"] == ANY
            assert "Access-Control-Allow-Credentials" not in permissions(answer)
    for answer in every_answer(target, Origin=PAGE):
        assert permissions(answer)["Access-Control-Allow-Origin"] == PAGE


def test_a_hub_without_other_origins_lets_none_in(make: MakeTarget) -> None:
    """Mercure 1.0, Subscription."""
    target = make()
    for origin in (PAGE, "https://hub.example", "https://evil.example", "null"):
        for answer in every_answer(target, Origin=origin):
            assert permissions(answer) == {}


@pytest.mark.parametrize("spoken", SPOKEN, ids="-".join)
def test_a_preflight_does_nothing(spoken: tuple[str, str]) -> None:
    """Fetch, CORS protocol: whatever method and token it comes with."""
    target = Target(*spoken, cors=(PAGE,))
    reader = target.follow("/a")
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    answer = target.request(
        "OPTIONS", f"{HUB}?topic=/a", token=target.publisher_token(), headers=headers, data={"topic": "/a"}
    )
    assert (answer.status_code, answer.text) == (204, "")
    assert reader.bytes() == b""
    target.close()


def test_what_is_for_one_user_is_kept_by_no_shared_cache(target: Target) -> None:
    """RFC 9111, Cache-Control."""
    token = target.subscriber_token("*")
    for answer in (target.open(target.query("/a"), token=token), target.ask(API, token=token)):
        answer.close()
        assert "private" in answer.headers["Cache-Control"]
