"""Words that all reports share."""

import pytest

from obra.reports.wording import command_again


@pytest.mark.parametrize(
    ("node", "case", "options"),
    [
        ("a.obra.yaml::test_scenario[mock-a]", "a", ""),
        ("a.obra.yaml::test_scenario[mock-a-repeat1]", "a", " --obra-repeat=2"),
        ("a.obra.yaml::test_scenario[mock-a-repeat7]", "a", " --obra-repeat=7"),
        ("a.obra.yaml::test_scenario[mock-a-repeat03]", "a", " --obra-repeat=10"),
        ("a.obra.yaml::test_scenario[mock-a-bare]", "a", " --obra-bare"),
        ("a.obra.yaml::test_scenario[mock-a-repeat2-bare]", "a", " --obra-repeat=2 --obra-bare"),
        ("a.obra.yaml::test_scenario[mock-a-repeat2]", "a-repeat2", ""),
        ("a.obra.yaml::test_scenario[mock-a-bare-repeat2]", "a-bare", " --obra-repeat=2"),
        ("test_mine.py::test_mine", "a", ""),
    ],
)
def test_the_command_that_runs_a_test_again_finds_it(node, case, options):
    """Its id exists under the options that made it, and under them alone."""
    row = {"node": node, "case": case, "agent": "mock", "path": "a.obra.yaml"}
    quoted = f"'{node}'" if "[" in node else node
    assert command_again(row) == f"pytest --obra-agent=mock{options} {quoted}"
    assert command_again({**row, "agent": "", "node": ""}) == "pytest a.obra.yaml"
