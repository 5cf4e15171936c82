"""The same tests run again and again, each time with other files: one process that forks for each run.

Starting Python and importing pytest with its plug-ins takes longer than most tests. So one process does that once,
in a private copy, and forks a child for each variant; after each it puts the files back. It never imports the code
under test itself. What tests write beside the code stays for the next run; the first run has a fresh copy.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from obra.domain import Record
from obra.evidence.copying import make_writable
from obra.evidence.running import run_in
from obra.evidence.scene import Scene

WATCH = """
class Watch:
    stopped, passed = 0, 0

    def pytest_keyboard_interrupt(self):
        self.stopped = 2

    def pytest_runtest_logreport(self, report):
        self.passed += report.when == "call" and report.passed

    def pytest_sessionfinish(self, session):
        plugins = session.config.pluginmanager
        if "hypothesis" not in sys.modules and plugins.has_plugin("hypothesispytest"):
            plugins.unregister(name="hypothesispytest")
"""
"""A plugin for programs that run pytest: ``pytest.exit`` counts as an interruption even with return code 0, tests
that passed are counted, and Hypothesis, where unused, is not loaded for the summary."""
_RUNS = (
    """
import json, os, signal, sys, time
import pytest

with open(sys.argv[1], encoding="utf-8") as stream:
    order = json.load(stream)
results = open(order["results"], "a", encoding="utf-8")
workspace = os.getcwd()
"""
    + WATCH
    + """
def mentions_hypothesis(path):
    with open(path, "rb") as stream:
        return b"hypothesis" in stream.read()

def run():
    watch = Watch()
    sys.path.insert(0, "")
    code = pytest.main(order["options"], plugins=[watch])
    return int(code) or watch.stopped or (0 if watch.passed else 5)

def swap(texts):
    old = {}
    for path, text in texts.items():
        with open(path, "rb") as stream:
            old[path] = stream.read()
        with open(path, "wb") as stream:
            stream.write(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
    return old

def outcome(texts):
    old = swap(texts)
    child = os.fork()
    if not child:
        os.setsid()
        code = 3
        try:
            code = run()
        finally:
            os._exit(code)
    deadline = time.monotonic() + order["limit"]
    pause = 0.002
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            status = -1
            break
        time.sleep(pause)
        pause = min(pause * 1.3, 0.05)
    os.chdir(workspace)
    swap(old)
    word = "slow" if status == -1 else "passed" if status == 0 else "failed"
    print(word, file=results)
    results.flush()
    return word

uses_hypothesis = any(mentions_hypothesis(path) for path in order["options"] if os.path.isfile(path))
os.chdir(order["empty"])
with open("test_nothing.py", "w", encoding="utf-8") as stream:
    stream.write("def test_nothing():\\n    assert 1\\n")
options = ["-q", "-p", "no:obra", "-p", "no:cacheprovider", "--rootdir=.", "test_nothing.py"]
pytest.main(options, plugins=[] if uses_hypothesis else [Watch()])  # imports all that the tests will need
os.chdir(workspace)
until = time.monotonic() + order["seconds"]
if outcome(order["first"]) == "passed":
    outcome(order["second"])
else:
    for texts in order["more"]:
        if time.monotonic() > until:
            break
        outcome(texts)
"""
)


class Ended(StrEnum):
    """How one run ended."""

    PASSED = "passed"
    FAILED = "failed"
    SLOW = "slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Record):
    """Which variants to run: texts of files by path. The second follows when the first passes, else the others."""

    options: Sequence[str]
    """What pytest is given."""
    first: Mapping[str, str]
    second: Mapping[str, str]
    more: Sequence[Mapping[str, str]]
    limit: float
    """Seconds for one run."""
    seconds: float
    """Seconds after which none of the others is begun."""


def repeat(order: Order, scene: Scene) -> list[Ended]:
    """Run the variants and return how each ended, in their order; fewer where time was up.

    Raises:
        OSError: the copy cannot be made.
    """
    with scene.scratch() as scratch:
        (scratch.workspace.parent / "pytest.ini").touch()  # no settings of a folder above the copy
        for path in {path for texts in (order.first, order.second, *order.more) for path in texts}:
            make_writable(scratch.workspace, path)
        results, empty = scratch.reports / "results", scratch.reports / "empty"
        empty.mkdir()
        plan = scratch.reports / "order.json"
        rest: dict[str, object] = {
            "options": [*order.options, f"--rootdir={scratch.workspace}"],
            "first": order.first,
        }
        rest |= {"second": order.second, "more": list(order.more), "limit": order.limit, "seconds": order.seconds}
        plan.write_text(json.dumps({**rest, "results": str(results), "empty": str(empty)}), encoding="utf-8")
        total = 3 * order.limit + order.seconds
        run_in(scratch, (sys.executable, "-P", "-c", _RUNS, str(plan)), scene, total)
        words = results.read_text(encoding="utf-8").split() if os.path.lexists(results) else []
        return [Ended(word) for word in words]
