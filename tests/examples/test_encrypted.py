"""What the encrypted example publishes."""

from __future__ import annotations

from flask_mercure_sse.testing import CapturedUpdates
from tests.examples.conftest import Load


def test_a_letter_is_private_and_cannot_be_read_by_the_hub(
    load: Load, mercure_updates: CapturedUpdates
) -> None:
    client = load("encrypted").create_app().test_client()
    client.post("/sign-in", data={"name": "Ada"})
    answer = client.post("/letters", json={"to": "Grace", "text": "See you at eight"})
    assert answer.status_code == 200
    update = mercure_updates.assert_published("/letters/Grace", private=True, times=1)
    assert "eight" not in update.data
    assert len(update.data.split(".")) == 5, "a JWE in its compact form has five parts"


def test_a_letter_to_nobody_is_no_update(load: Load, mercure_updates: CapturedUpdates) -> None:
    client = load("encrypted").create_app().test_client()
    client.post("/sign-in", data={"name": "Ada"})
    assert client.post("/letters", json={"to": "Nobody", "text": "x"}).status_code == 400
    mercure_updates.assert_not_published()
