"""The wheel and the sdist, built and installed as users get them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

CHECKOUT = Path(__file__).parent.parent
LEFT_OVERS = (".*", "__pycache__", "*.egg-info", "build", "dist")


def run(*command: object, cwd: Path) -> str:
    """Run a command from a folder, and return what it prints."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(tree: Path, kind: str) -> Path:
    """Build a distribution (``wheel`` or ``sdist``) of a tree, and return its file."""
    run(sys.executable, "-m", "build", f"--{kind}", "--outdir", tree / "dist", tree, cwd=tree.parent)
    [file] = (tree / "dist").glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return file


def files(wheel: Path) -> list[str]:
    """Return the names of the files in a wheel."""
    return sorted(ZipFile(wheel).namelist())


class Environment:
    """A clean virtual environment with a wheel and its dependencies, run from a folder with nothing in it."""

    def __init__(self, folder: Path, requirement: str) -> None:
        venv.create(folder / "venv", symlinks=True)
        self._python = folder / "venv/bin/python"
        self._elsewhere = folder / "elsewhere"
        self._elsewhere.mkdir()
        pip = (sys.executable, "-m", "pip", "--python", self._python)
        run(*pip, "install", "--quiet", "--no-compile", requirement, cwd=self._elsewhere)

    def python(self, code: str) -> str:
        """Run code, and return what it prints."""
        return run(self._python, "-c", code, cwd=self._elsewhere).strip()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout as it is in a fresh clone."""
    copy = tmp_path_factory.mktemp("tree") / "copy"
    return shutil.copytree(CHECKOUT, copy, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OVERS))


@pytest.fixture(scope="module")
def wheel(tree: Path) -> Path:
    return build(tree, "wheel")


@pytest.fixture(scope="module")
def sdist(tree: Path) -> Path:
    return build(tree, "sdist")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the package, as ``pip install flask-mercure-sse`` makes it."""
    return Environment(tmp_path_factory.mktemp("installed"), str(wheel))


def test_the_wheel_has_the_whole_package_and_nothing_else(tree: Path, wheel: Path) -> None:
    package = {path.relative_to(tree) for path in (tree / "flask_mercure_sse").rglob("*") if path.is_file()}
    events = {"flask_mercure_sse" / path.relative_to(tree) for path in tree.glob("integrations/*")}

    installed = {Path(name) for name in files(wheel) if ".dist-info/" not in name}

    assert installed == package | events | {Path("flask_mercure_sse_pytest.py")}


def test_the_sdist_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", sdist, cwd=tmp_path)
    [from_sdist] = tmp_path.glob("*.whl")

    assert files(from_sdist) == files(wheel)


def test_the_wheel_installs_integrations_inside_the_package_only(installed: Environment) -> None:
    code = """
from importlib.metadata import files
from importlib.util import find_spec
import flask_mercure_sse.integrations
print(find_spec("integrations"), [file for file in files("flask-mercure-sse") if file.parts[0] == "integrations"])
"""
    assert installed.python(code) == "None []"


def test_pytest_finds_the_plugin_of_the_installed_package(installed: Environment) -> None:
    code = """
from importlib.metadata import entry_points
from importlib.util import find_spec
[plugin] = [one for one in entry_points(group="pytest11") if one.dist.name == "flask-mercure-sse"]
print(plugin.value, find_spec(plugin.value) is not None)
"""
    assert installed.python(code) == "flask_mercure_sse_pytest True"


def test_the_installed_package_publishes_without_sqlalchemy(installed: Environment) -> None:
    code = """
from importlib.util import find_spec
from blinker import Signal
from flask import Flask
from flask_mercure_sse import MercureSSE
from flask_mercure_sse.integrations import binding, signals
app = Flask("app", static_folder=None)
mercure = MercureSSE(app)
saved = Signal()
mercure.publish_signal(saved, "/saved")
with app.app_context():
    saved.send("it")
print(find_spec("sqlalchemy"))
"""
    assert installed.python(code) == "None"


def test_a_model_without_sqlalchemy_names_the_extra(installed: Environment) -> None:
    code = """
from flask_mercure_sse import ConfigurationError, MercureSSE
try:
    MercureSSE().model_topic(type("Model", (), {}))
except ConfigurationError as error:
    print(error)
"""
    assert (
        installed.python(code)
        == "Following models needs SQLAlchemy 2: pip install flask-mercure-sse[sqlalchemy]"
    )


def test_the_extra_brings_what_models_need(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path, f"{wheel}[sqlalchemy]")

    environment.python("import flask_mercure_sse.integrations.session")


def test_the_lowest_versions_that_are_tested_are_the_lowest_that_are_allowed() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    pins = (CHECKOUT / "tests/lowest.txt").read_text().replace("==", ">=")
    tested = {line.partition(";")[0] for line in pins.splitlines()}

    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    requirements = [requirement for group in groups for requirement in group]
    allowed = {re.sub(r"\[.*?\]|;.*", "", requirement) for requirement in requirements}

    assert allowed <= tested
