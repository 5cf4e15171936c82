"""The wheel among other plugins, with the oldest releases it asks for, and on newer Pythons.

``.ci/run`` makes the environments and names their interpreters; Obra itself is put on their path, not installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parent.parent
SECONDS = 300
GOOD = """\
task: {title: Say hello}
checks: [{file: hello.txt}]
script: [{say: Done., write: {hello.txt: hello}}]
reviewer: [{score: 95}]
expect: {truth: [{contains: {file: hello.txt, text: hello}}]}
"""
THEIRS = {
    "pytest.ini": "[pytest]\naddopts = --strict-markers -p no:cacheprovider\nasyncio_mode = strict\n",
    "plain.yaml": "a: 1\n",
    "test_broken.yml": "a: [\n",
    "test_async.py": """\
import asyncio
import pytest

@pytest.mark.asyncio
async def test_waits():
    await asyncio.sleep(0)
""",
    "test_again.py": """\
import pytest

seen = []

@pytest.mark.flaky(reruns=1)
def test_second_time():
    seen.append(1)
    assert len(seen) == 2

def test_fails():
    assert 1 == 2

@pytest.mark.parametrize("letter", "abcde")
def test_order(letter):
    assert letter
""",
    "cucumbers.feature": """\
Feature: Cucumbers
  Scenario: Eating
    Given 3 cucumbers
    When one is eaten
    Then 2 are left
""",
    "test_cucumbers.py": """\
from pytest_bdd import given, scenarios, then, when

scenarios("cucumbers.feature")

@given("3 cucumbers", target_fixture="basket")
def basket():
    return [1, 2, 3]

@when("one is eaten")
def eat(basket):
    basket.pop()

@then("2 are left")
def left(basket):
    assert len(basket) == 2
""",
    "test_server.tavern.yaml": """\
test_name: The server answers
stages:
  - name: ask
    request: {url: "{tavern.env_vars.ADDRESS}", method: GET}
    response: {status_code: 200, json: {answer: 42}}
""",
    "conftest.py": """\
import http.server, json, os, threading
import pytest

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"answer": 42}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

@pytest.fixture(scope="session", autouse=True)
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ["ADDRESS"] = f"http://127.0.0.1:{server.server_port}/"
        yield
        server.shutdown()
""",
}
pytestmark = pytest.mark.timeout(SECONDS)


def interpreter(variable):
    """Return the interpreter that *variable* names; without one the test is skipped."""
    found = os.environ.get(variable)
    if not found:
        pytest.skip(f"no environment of its own: .ci/run makes it and names its interpreter in {variable}")
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory, wheel):
    """Return a folder that holds the wheel as pip would unpack it."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(python, *words, folder, site=None):
    """Run a Python far from the checkout, with Obra on its path or without it."""
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "OBRA", "PYTEST"))
    }
    if site is not None:
        environment["PYTHONPATH"] = str(site)
    return subprocess.run(
        [python, *words],
        cwd=folder,
        env=environment,
        text=True,
        timeout=SECONDS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


@pytest.fixture
def project(tmp_path):
    """A project of strangers."""
    for name, text in THEIRS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def outcomes(path):
    """Return what JUnit's file says of each test, in the order in which they ran."""
    cases = ET.parse(path).iter("testcase")
    return [(case.get("classname"), case.get("name"), sorted(one.tag for one in case)) for case in cases]


def summary(text):
    """Return pytest's last line without its time."""
    return re.sub(r" in [\d.]+s.*", "", text.strip().splitlines()[-1]).strip("= ")


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_nothing_of_theirs_breaks(project, site, workers):
    """Same outcomes in the same random order with Obra and without; a scenario beside them runs with them."""
    python = interpreter("FOREIGN_PYTHON")
    command = ["-m", "pytest", "--randomly-seed=7", "--self-contained-html", *workers]
    alone = run(python, *command, "--junitxml=alone.xml", "--html=alone.html", folder=project)
    assert summary(alone.stdout) == "1 failed, 9 passed, 1 warning, 1 rerun", alone.stdout
    beside = run(python, *command, "--junitxml=beside.xml", "--html=beside.html", folder=project, site=site)
    assert summary(beside.stdout) == summary(alone.stdout), beside.stdout
    before, after = outcomes(project / "alone.xml"), outcomes(project / "beside.xml")
    assert (sorted(after) == sorted(before)) if workers else (after == before)
    assert not (project / "reports").exists()
    (project / "good.obra.yaml").write_text(GOOD)
    (project / "lie.obra.yaml").write_text(GOOD.replace("write: {hello.txt", "write: {other.txt"))
    ours = run(python, *command, "--junitxml=ours.xml", "--html=ours.html", folder=project, site=site)
    assert summary(ours.stdout) == "2 failed, 10 passed, 1 warning, 1 rerun", ours.stdout
    found = outcomes(project / "ours.xml")
    assert sorted(one for one in found if "test_scenario" not in one[1]) == sorted(before)
    assert len(list(project.glob("reports/*/report.md"))) == 1
    assert "good.obra.yaml" in (project / "ours.html").read_text()


def test_none_of_their_yaml_is_claimed(project, site):
    """With Tavern each takes its own file; without it nobody takes Tavern's; other YAML is nobody's."""
    python = interpreter("FOREIGN_PYTHON")
    (project / "good.obra.yaml").write_text(GOOD)
    look = ["-m", "pytest", "--collect-only", "-q", "-p", "no:randomly"]
    nodes = run(python, *look, folder=project, site=site).stdout.splitlines()
    taken = [node for node in nodes if ".yaml::" in node or ".yml::" in node]
    assert taken == ["good.obra.yaml::test_scenario[mock-good]", "test_server.tavern.yaml::The server answers"]
    without = run(python, *look, "-p", "no:tavern", folder=project, site=site).stdout
    assert "good.obra.yaml::" in without
    assert "tavern.yaml" not in without


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_the_oldest_of_everything_runs_the_shipped_scenarios(tmp_path, site, workers):
    """With pytest 8.0.0 and the lowest release of each library the scenarios pass, with a report for people."""
    python = interpreter("OLDEST_PYTHON")
    check = run(python, "-m", "pip", "check", folder=tmp_path, site=site)
    assert check.returncode == 0, check.stdout
    paths = [str(path) for path in sorted((ROOT / "scenarios").glob("*.obra.yaml"))]
    if workers:  # what the long ones need of the libraries is seen without workers
        paths = [path for path in paths if path.endswith(("hello_world.obra.yaml", "vague_task.obra.yaml"))]
    command = ["-m", "pytest", "-c", os.devnull, f"--rootdir={tmp_path}", "-p", "no:cacheprovider"]
    done = run(python, *command, *workers, "--alluredir=allure", *paths, folder=tmp_path, site=site)
    assert f"{len(paths)} passed" in done.stdout, done.stdout
    assert "pytest-8.0.0" in done.stdout
    (report,) = tmp_path.glob("reports/*/report.md")
    command = ["-c", "from obra.cli import main; main()", "report", report.parent.name]
    page = run(python, *command, folder=tmp_path, site=site)
    assert page.returncode == 0, page.stdout
    shown = report.with_name("report.html").read_text()
    assert [path for path in paths if Path(path).name.removesuffix(".obra.yaml") not in shown] == []


@pytest.mark.parametrize("variable", ["PYTHON_3_12", "PYTHON_3_13"])
def test_a_newer_python_runs_scenarios(tmp_path, site, variable):
    """No warning of the interpreter or of a library, one scenario that is true and one that is not."""
    python = interpreter(variable)
    (tmp_path / "good.obra.yaml").write_text(GOOD)
    (tmp_path / "lie.obra.yaml").write_text(GOOD.replace("write: {hello.txt", "write: {other.txt"))
    done = run(python, "-W", "error", "-m", "pytest", "-W", "error", folder=tmp_path, site=site)
    assert summary(done.stdout) == "1 failed, 1 passed", done.stdout
    assert f"Python 3.{variable[-2:]}." in done.stdout


def test_the_oldest_environment_has_the_lower_bounds():
    """What pyproject.toml names as the lowest release is what the environment of the oldest is given."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / ".ci" / "constraints-oldest.txt").read_text().lower().splitlines()
    oldest = dict(line.split("==") for line in lines if "==" in line)
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["allure"], *extras["parallel"], *extras["ssh"], *extras["terminal"]]
    for requirement in asked:
        name, lowest = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+).*", requirement).groups()
        assert f"{oldest[name]}.".startswith(f"{lowest}."), requirement
