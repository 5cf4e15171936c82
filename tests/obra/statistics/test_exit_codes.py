import pytest

from obra.statistics.exit_codes import Ending, RunExit, exit_of


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ({}, RunExit.OK),
        ({"left_out": True}, RunExit.LEFT_OUT),
        ({"left_out": True, "machinery_broke": True}, RunExit.MACHINERY_BROKE),
        ({"machinery_broke": True, "failed": True}, RunExit.FAILED),
        ({"machinery_broke": True, "failed": True, "gate_failed": True}, RunExit.GATE_FAILED),
    ],
)
def test_the_worst_is_told(ending, code):
    """Each code means one thing, and what says most goes first."""
    assert exit_of(Ending(**ending)) is code


def test_no_code_is_one_of_pytests():
    """What pytest may exit with is never ours, 0 and 1 excepted."""
    assert {code.value for code in RunExit} & set(pytest.ExitCode) == {0, 1}
