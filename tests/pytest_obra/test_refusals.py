"""Options that do not go together, and a case that came to no verdict, without a pytest run around them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from obra.errors import RemoteRunFailed
from obra.reports.rows import MACHINERY_BROKE
from pytest_obra.engine import RemoteCases
from pytest_obra.options import check_statistics_options


def asked(**given) -> SimpleNamespace:
    """The command line of a pytest run."""
    return SimpleNamespace(
        getoption=lambda name, default=None: given.get(name.strip("-").replace("-", "_"), default)
    )


def test_options_of_pytest_that_do_not_go_together_are_refused():
    """Each with the one to leave out."""
    for given, message in (
        (asked(obra_bare=True), "--obra-engine=dbos runs scenarios on workers; leave out --obra-bare"),
        (asked(numprocesses=2), "--obra-engine=dbos: workers run side by side already; leave out -n"),
    ):
        with pytest.raises(pytest.UsageError, match=message):
            RemoteCases(given)
    with pytest.raises(
        pytest.UsageError, match="--obra-sabotage runs variants and no scenarios; leave out --obra-repeat"
    ):
        check_statistics_options(asked(obra_sabotage=True, obra_repeat=3))


def test_a_case_that_broke_on_its_worker_is_told():
    """With its id and the worker."""
    cases = RemoteCases(asked())
    cases.ids["node"] = "c1"
    broken = SimpleNamespace(state=MACHINERY_BROKE, reason="no disk", id="c1", worker="build7")
    cases._runner = SimpleNamespace(wait=lambda *_, **__: iter([broken]))
    with pytest.raises(RemoteRunFailed, match=r"no disk \(case c1, on worker build7\)"):
        cases.row("node")
