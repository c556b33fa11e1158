"""An app with a task for Celery, and a worker that publishes before it forks."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from flask import Flask

from flask_mercure_sse import MercureSSE

app = Flask(__name__)
app.config.from_prefixed_env("SITE")
mercure = MercureSSE(app)
folder = os.environ["TASKS"]
celery: Any = Celery(
    "tasks",
    broker="filesystem://",
    broker_transport_options={
        "data_folder_in": folder,
        "data_folder_out": folder,
        "control_folder": f"{folder}/control",
    },
)


@celery.task
def say(text: str) -> str:
    with app.app_context():
        return mercure.publish("/a", text)


if __name__ == "__main__":
    for number in range(3):
        say.delay(f"task {number}")
    with app.app_context():
        mercure.publish("/a", "parent")
        mercure.flush()
    # The child ends after three tasks, while their updates wait.
    celery.worker_main(["worker", "--concurrency", "1", "--max-tasks-per-child", "3", "--loglevel", "INFO"])
