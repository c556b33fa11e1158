"""The project in the docs, run as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/testing.md").read_text()


def test_the_tests_in_the_docs_pass_in_a_project_of_their_own(tmp_path: Path) -> None:
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-p", "flask_mercure_sse_pytest", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "12 passed" in done.stdout, done.stdout


def test_the_failure_in_the_docs_is_the_one_that_is_shown(tmp_path: Path) -> None:
    code = """
from shop import create_app, mercure

with mercure.captured() as updates:
    create_app().test_client().post("/orders/7", json={"status": "paid"})
updates.assert_published("/orders/8")
"""
    [shop] = re.findall(r"# shop\.py\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "shop.py").write_text(shop)
    (tmp_path / "fail.py").write_text(code)
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import fail"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    [shown] = re.findall(r"```\n(AssertionError: .*?)```", PAGE, re.DOTALL)
    assert done.stderr.endswith(shown)


def test_the_page_names_every_public_method() -> None:
    from flask_mercure_sse.testing import CapturedUpdate, CapturedUpdates, HubStream

    names = [name for kind in (CapturedUpdate, CapturedUpdates, HubStream) for name in vars(kind)]
    public = [name for name in names if not name.startswith("_") and name != "close"]
    assert [name for name in public if name not in PAGE] == []
