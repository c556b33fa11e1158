"""Ids that are made up."""

from __future__ import annotations

import multiprocessing
import os
import threading
from uuid import RFC_4122, UUID

import pytest

from flask_mercure_sse.protocol.ids import new_urn


def make(count: int) -> list[str]:
    return [new_urn() for _ in range(count)]


def test_ids_are_random_uuids_and_never_repeat() -> None:
    """Mercure 1.0, Publication: an opaque id tells nobody when an update was made."""
    ids = make(2000)
    assert len(set(ids)) == len(ids)
    for event_id in ids:
        uuid = UUID(event_id)
        assert uuid.urn == event_id
        assert (uuid.version, uuid.variant) == (4, RFC_4122)


def test_threads_make_no_id_twice() -> None:
    """Mercure 0.x, Publication."""
    made: list[list[str]] = []
    threads = [threading.Thread(target=lambda: made.append(make(5000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({event_id for ids in made for event_id in ids}) == 4 * 5000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_process_does_not_repeat_its_parents_ids() -> None:
    """Mercure 0.x, Publication."""
    new_urn()  # leaves spare digits behind
    with multiprocessing.get_context("fork").Pool(1) as pool:
        child = pool.apply(make, (200,))
    assert not set(child) & set(make(200))
