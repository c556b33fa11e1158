"""A script that publishes, and lets processes publish that are started in each way that there is."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from flask import Flask

from flask_mercure_sse import MercureSSE

app = Flask(__name__)
app.config.from_prefixed_env("SITE")
mercure = MercureSSE(app)


def task(number: int) -> str:
    with app.app_context():
        return mercure.publish("/a", f"{os.getpid()} {number}")


def main() -> None:
    task(0)
    for method in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(1, mp_context=context) as executor:
            print(*executor.map(task, range(1, 11)))


if __name__ == "__main__":
    main()
