"""Bindings that publish nothing in a block."""

from __future__ import annotations

import asyncio
import threading

import gevent
import pytest
from blinker import Namespace
from sqlalchemy.orm import Session

from flask_mercure_sse.integrations.muting import muted
from flask_mercure_sse.integrations.signals import publish_signal
from tests.integrations.recorder import Recorder
from tests.integrations.schema import Document, Letter, Project, Task, bind

pytestmark = pytest.mark.usefixtures("tables")

paid = Namespace().signal("order-paid")


def test_nothing_is_published_in_a_muted_block(recorder: Recorder, session: Session) -> None:
    bind(recorder)
    with publish_signal(recorder, paid):
        with muted():
            paid.send(None)
            session.add(Task(title="imported"))
            session.commit()
        assert recorder.updates == []
        paid.send(None)
        session.add(Task(title="written"))
        session.commit()
    assert [update.topic for update in recorder.updates] == ["order-paid", "/task/2"]


def test_one_binding_is_muted_and_the_others_are_not(recorder: Recorder, session: Session) -> None:
    quiet = bind(recorder, topic="/quiet")
    bind(recorder, topic="/loud")
    with muted(quiet):
        session.add(Task(title="write"))
        session.commit()
    assert recorder.topics == [("/loud",)]


def test_a_model_is_muted_with_its_subclasses(recorder: Recorder, session: Session) -> None:
    bind(recorder, Document)
    bind(recorder, Project)
    with muted(Document):
        session.add_all([Document(), Letter(), Project(name="heard")])
        session.commit()
    assert recorder.events == [("insert", "Project", 1)]


def test_what_is_flushed_in_the_block_is_muted_wherever_it_is_committed(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder)
    with muted():
        session.add(Task(id=1, title="muted"))
        session.flush()
    session.add(Task(id=2, title="heard"))
    session.commit()
    assert recorder.events == [("insert", "Task", 2)]


def test_a_row_that_changes_outside_of_the_block_as_well_is_published_whole(
    recorder: Recorder, session: Session
) -> None:
    bind(recorder)
    task = Task(id=1, title="muted")
    with muted():
        session.add(task)
        session.flush()
    task.title = "heard"
    session.commit()
    assert recorder.events == [("insert", "Task", 1)]


def test_blocks_nest(recorder: Recorder) -> None:
    with publish_signal(recorder, paid) as binding:
        with muted(binding):
            with muted(Task):
                paid.send(None)
            paid.send(None)
        paid.send(None)
    assert len(recorder.updates) == 1


def test_a_thread_beside_the_block_is_heard(recorder: Recorder) -> None:
    with publish_signal(recorder, paid), muted():
        thread = threading.Thread(target=paid.send, args=[None])
        thread.start()
        thread.join()
        paid.send(None)
    assert len(recorder.updates) == 1


def test_a_greenlet_beside_the_block_is_heard(recorder: Recorder) -> None:
    def mute() -> None:
        with muted():
            gevent.sleep(0)
            paid.send("muted")
            gevent.sleep(0)

    def speak() -> None:
        gevent.sleep(0)
        paid.send("heard")

    with publish_signal(recorder, paid, data=lambda sender: sender):
        gevent.joinall([gevent.spawn(mute), gevent.spawn(speak)])
    assert [update.data for update in recorder.updates] == ["heard"]


def test_a_task_beside_the_block_is_heard(recorder: Recorder) -> None:
    async def mute() -> None:
        with muted():
            await asyncio.sleep(0)
            paid.send("muted")
            await asyncio.sleep(0)

    async def speak() -> None:
        await asyncio.sleep(0)
        paid.send("heard")

    async def both() -> None:
        await asyncio.gather(mute(), speak())

    with publish_signal(recorder, paid, data=lambda sender: sender):
        asyncio.run(both())
    assert [update.data for update in recorder.updates] == ["heard"]


def test_a_task_that_is_started_in_the_block_is_muted_until_the_block_ends(recorder: Recorder) -> None:
    async def speak(ended: asyncio.Event) -> None:
        paid.send("muted")
        await ended.wait()
        paid.send("heard")

    async def mute() -> None:
        ended = asyncio.Event()
        with muted():
            task = asyncio.create_task(speak(ended))
            await asyncio.sleep(0)
        ended.set()
        await task

    with publish_signal(recorder, paid, data=lambda sender: sender):
        asyncio.run(mute())
    assert [update.data for update in recorder.updates] == ["heard"]
