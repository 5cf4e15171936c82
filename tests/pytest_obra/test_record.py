"""--obra-record and --obra-agent=cassette: a scenario is recorded once and played without a model."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

SCENARIO = """
name: greeting
task: {title: Write a greeting}
checks: [{file: hello.py}, {command: python hello.py}]
script:
  - {say: "Nearly done.", write: {other.txt: x}}
  - {say: "Done.", write: {hello.py: "print('hello')\\n"}, run: [pwd]}
reviewer: [{score: 40, issues: ["no hello.py"]}, {score: 90}]
expect:
  status: completed
  truth: [{command: python hello.py}]
"""


@pytest.fixture
def project(pytester: pytest.Pytester, claude: str, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with one scenario, and the real binary named."""
    monkeypatch.setenv("OBRA__AGENT__LOCAL__COMMAND", claude)
    (pytester.path / "greeting.obra.yaml").write_text(SCENARIO)
    return pytester


def test_record_against_a_scripted_upstream_then_play_without_a_script(project: pytest.Pytester, run):
    """The recorded run and the played one pass alike, in two attempts; a changed task is a miss that is shown."""
    tape = project.path / "cassettes" / "greeting.claude_code_local.jsonl"
    recorded = run("--obra-agent=replay", "--obra-record", "-q")
    recorded.assert_outcomes(passed=1)
    text = tape.read_text()
    about = json.loads(text.partition("\n")[0])
    assert about.pop("cli").startswith("claude-cli/2.1.")
    assert about.pop("model")
    assert about == {
        "cassette": 2,
        "scenario": "greeting",
        "agent": "claude_code_local",
        "against": "the scenario's own script",
    }
    assert os.fspath(project.path) not in text
    scenario = Path(project.path / "greeting.obra.yaml")
    a, b = SCENARIO.index("script:"), SCENARIO.index("reviewer:")
    scenario.write_text(SCENARIO[:a] + SCENARIO[b:])
    played = run("--obra-agent=cassette", "-q")
    played.assert_outcomes(passed=1)
    assert tape.read_text() == text
    scenario.write_text((SCENARIO[:a] + SCENARIO[b:]).replace("Write a greeting", "Write a farewell"))
    missed = run("--obra-agent=cassette", "-q")
    missed.assert_outcomes(errors=1)
    shown = missed.stdout.str()
    for words in (
        "has no answer to what is asked now",
        "cassettes/greeting.claude_code_local.jsonl:2 ",
        "-Write a greeting",
        "+Write a farewell",
        "record it anew: obra record --agent replay greeting.obra.yaml",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--obra-agent=mock", "--obra-record"], "there is nothing to record"),
        (["--obra-agent=cassette", "--obra-record"], "there is nothing to record"),
        (["--obra-agent=cassette"], "there is no cassette"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_cannot_be_recorded_or_played_is_an_error_that_says_why(run, arguments, message):
    """Broken machinery is an ERROR, never a failed or a passed scenario."""
    result = run(*arguments, "-q")
    result.assert_outcomes(errors=1)
    assert message in result.stdout.str()
