"""Every adapter of ours in every situation that the contract names, with the real program where there is one.

``python -m obra.testing`` prints the same as a table.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from obra.plugins import ContractCase
from obra.testing import check_case
from obra.testing.agent_contract import exceptions_of
from obra.testing.contract_table import cases_of, staged_here
from obra.testing.scene import Stage

SECONDS = 300  # some of these programs take ten seconds to start on a busy machine
ROWS = staged_here()


SHOWN_BY = {
    ContractCase.NORMAL_TURN: {ContractCase.GARBAGE},
    ContractCase.SECOND_TURN: {ContractCase.TURN_LIMIT, ContractCase.RESUME_AFTER_KILL},
}
"""Cases that others show together: behind garbage there is a normal turn. What is killed is the second turn of a
session whose first ended well, and what follows a limit is answered as the second prompt of one session."""


def shown(stage: Stage | str) -> Iterable[ContractCase]:
    """Return the cases to bring about: those that no others of this row show."""
    if isinstance(stage, str):
        return ContractCase
    here = set(cases_of(stage)) - set(exceptions_of(stage.make_agent()))
    return [case for case in cases_of(stage) if case not in SHOWN_BY or not SHOWN_BY[case] <= here]


CELLS = [pytest.param(name, case, id=f"{name}-{case}") for name, stage in ROWS.items() for case in shown(stage)]

pytestmark = pytest.mark.timeout(SECONDS)


@pytest.mark.parametrize(("name", "case"), CELLS)
def test_the_promise_is_kept(name, case, tmp_path):
    """What is promised for the case is kept, and nothing is left; an exception is shown with its reason."""
    stage = ROWS[name]
    if isinstance(stage, str):
        pytest.skip(stage)
    excepted = check_case(case, stage, workspace=tmp_path / "workspace")
    if excepted:
        pytest.skip(f"excepted, as {name} declares: {excepted}")
