# ruff: noqa: E501  # sample programs stand on one line each
from __future__ import annotations

import pytest

from obra.evidence.machinery_of_tests import forging_options, is_touched, look

GUILTY = {
    "outcome": (
        "import pytest\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
        "    outcome = yield\n    report = outcome.get_result()\n    report.outcome = 'passed'\n"
    ),
    "setattr": ("def pytest_runtest_logreport(report):\n    setattr(report, 'outcome', 'passed')\n"),
    "forced": (
        "import pytest\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_call(item):\n"
        "    outcome = yield\n    outcome.force_result(None)\n"
    ),
    "made up": "def pytest_runtest_makereport(item, call):\n    return made_up(item)\n",
    "dropped": "def pytest_collection_modifyitems(items):\n    items[:] = items[:1]\n",
    "cleared": "def pytest_collection_modifyitems(session, config, items):\n    items.clear()\n",
    "all skipped": (
        "import pytest\n\ndef pytest_collection_modifyitems(items):\n    for item in items:\n"
        "        item.add_marker(pytest.mark.skip)\n"
    ),
    "exit status": "def pytest_sessionfinish(session, exitstatus):\n    session.exitstatus = 0\n",
    "process ended": "import os\n\ndef pytest_sessionfinish(session):\n    os._exit(0)\n",
    "not run": "def pytest_pyfunc_call(pyfuncitem):\n    return True\n",
    "swallowed": (
        "def pytest_pyfunc_call(pyfuncitem):\n    try:\n        pyfuncitem.obj()\n    except AssertionError:\n        pass\n"
        "    return True\n"
    ),
    "raises replaced": "import pytest\n\npytest.raises = lambda *a, **k: None\n",
    "unittest replaced": "import unittest\n\nunittest.TestCase.assertEqual = lambda *a: None\n",
    "setattr unittest": "import unittest\n\nsetattr(unittest.TestCase, 'assertEqual', print)\n",
    "by another name": "import _pytest.runner as r\n\nr.pytest_runtest_call = lambda item: None\n",
    "from its package": "from _pytest import runner\n\nrunner.pytest_runtest_call = lambda item: None\n",
    "a class of it": "from _pytest.python import Function as F\n\nsetattr(F, 'runtest', lambda self: None)\n",
    "hidden": "collect_ignore = ['test_m.py']\n",
    "ignored": "def pytest_ignore_collect(collection_path):\n    return True\n",
}


@pytest.mark.parametrize("text", GUILTY.values(), ids=GUILTY)
@pytest.mark.parametrize("path", ["conftest.py", "tests/conftest.py"])
def test_forging_is_seen(work, text, path) -> None:
    """Whatever changes what tests report."""
    (found,) = look(work(after={path: text}))
    assert found.required
    assert path in found.message


@pytest.mark.parametrize("path", ["sitecustomize.py", "plugin_of_mine.py", "calculator.py"])
def test_forging_elsewhere_is_seen_too(work, path) -> None:
    """A plug-in may be called anything, and the program itself can replace parts of pytest."""
    assert list(look(work(after={path: GUILTY["raises replaced"]})))
    assert list(look(work(after={path: GUILTY["outcome"]})))


INNOCENT = {
    "fixtures": "import pytest\n\n@pytest.fixture\ndef shop():\n    yield Shop()\n",
    "a mock of its own": "from unittest import mock\n\nmock.patch.TEST_PREFIX = 'it'\n",
    "marker": "def pytest_configure(config):\n    config.addinivalue_line('markers', 'slow: takes long')\n",
    "option": "def pytest_addoption(parser):\n    parser.addoption('--runslow', action='store_true')\n",
    "slow tests, from the manual": (
        "import pytest\n\ndef pytest_collection_modifyitems(config, items):\n    if config.getoption('--runslow'):\n"
        "        return\n    skip = pytest.mark.skip(reason='need --runslow option to run')\n    for item in items:\n"
        "        if 'slow' in item.keywords:\n            item.add_marker(skip)\n"
    ),
    "order": "def pytest_collection_modifyitems(items):\n    items.sort(key=lambda item: item.name)\n",
    "sorted": "def pytest_collection_modifyitems(items):\n    items[:] = sorted(items, key=str)\n",
    "marks": (
        "import pytest\n\ndef pytest_collection_modifyitems(items):\n    for item in items:\n"
        "        if 'gui' in item.nodeid:\n            item.add_marker(pytest.mark.gui)\n"
    ),
    "report for fixtures, from the manual": (
        "import pytest\n\n@pytest.hookimpl(tryfirst=True, hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
        "    outcome = yield\n    rep = outcome.get_result()\n    setattr(item, 'rep_' + rep.when, rep)\n"
    ),
    "new style wrapper": (
        "import pytest\n\n@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
        "    rep = yield\n    item.stash[KEY] = rep\n    return rep\n"
    ),
    "coroutines": (
        "import asyncio\nimport inspect\n\ndef pytest_pyfunc_call(pyfuncitem):\n"
        "    if inspect.iscoroutinefunction(pyfuncitem.obj):\n        asyncio.run(pyfuncitem.obj())\n        return True\n"
    ),
    "path": "import sys\nfrom pathlib import Path\n\nsys.path.insert(0, str(Path(__file__).parent / 'src'))\n",
    "ignores set-up": "collect_ignore = ['setup.py']\n",
    "header": "def pytest_report_header(config):\n    return 'project: shop'\n",
    "monkeypatch": (
        "import pytest\n\n@pytest.fixture\ndef answers(monkeypatch):\n    monkeypatch.setattr('builtins.input', lambda _: 'y')\n"
    ),
    "letters": (
        "def pytest_report_teststatus(report):\n    if report.when == 'call' and report.passed:\n"
        "        return 'passed', '✓', 'PASSED'\n"
    ),
    "summary": "def pytest_sessionfinish(session, exitstatus):\n    print('exit status', exitstatus)\n",
}  # fmt: skip


@pytest.mark.parametrize("text", INNOCENT.values(), ids=INNOCENT)
def test_an_honest_conftest_is_left_alone(work, text) -> None:
    """Fixtures, options, markers, and the recipes of pytest's manual."""
    assert not list(look(work(after={"tests/conftest.py": text})))


def test_hooks_that_were_there_are_not_judged(work) -> None:
    """Only what the change added or touched."""
    text = GUILTY["dropped"]
    assert not list(look(work({"conftest.py": text}, {"conftest.py": text + "X = 1\n"})))


@pytest.mark.parametrize("option", ["--deselect=test_m.py::test_f", "--collect-only", "--co", "--setup-only"])
def test_options_that_keep_tests_from_running(option) -> None:
    """In the settings of pytest; only when they are new."""
    after = f"[pytest]\naddopts = -q {option}\n"
    assert list(forging_options("pytest.ini", "[pytest]\n", after))
    assert not list(forging_options("pytest.ini", after, after))
    assert not list(
        forging_options("pytest.ini", "", "[pytest]\naddopts = -ra --strict-markers --cov=shop --color=no\n")
    )


def test_touched(work) -> None:
    """Machinery is known by its file names."""
    assert is_touched(work(after={"tests/conftest.py": ""}))
    assert is_touched(work(after={"pytest.ini": ""}))
    assert not is_touched(work(after={"shop.py": ""}))
