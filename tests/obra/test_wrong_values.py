"""What is wrong with a value is said in the words of who wrote it."""

from __future__ import annotations

import pytest

from obra.errors import ScenarioError
from obra.scenarios.scenario import Scenario

BASE = {
    "name": "name: x\n",
    "task": "task: {title: T}\n",
    "checks": "checks: [{file: a}]\n",
    "script": "script: [{say: a}]\n",
}
WRONG = {
    "task: hello": "'task': should be a mapping with keys such as title, description, acceptance; it is 'hello'",
    "checks: 5": "'checks': should be a list; it is 5",
    "checks: [5]": "'checks.0': should be a mapping of keys to values; it is 5",
    "checks: [{file: 5}]": "'checks.0': check 'file': 'file': should be a list; it is 5",
    "name: [a]": "'name': should be text; it is ['a']",
    "repeat: many": "'repeat': should be a whole number; it is 'many'",
    "limits: {iterations: x}": "'limits.iterations': should be a whole number; it is 'x'",
    "settings: {agent: {timeout: fast}}": "'settings.agent.timeout': should be a number; it is 'fast'",
    "settings: {evidence: {implied: maybe}}": (
        "'settings.evidence.implied': should be a truth value (true or false); it is 'maybe'"
    ),
    "parameters: {a: []}": "'parameters.a': should have at least 1 item(s); it is []",
    "parameters: {a: [[1]]}": "'parameters.a.0': should be text or a whole number",
    "reviewer: [{score: high}]": "'reviewer.0.score': should be a number; it is 'high'",
    "reviewer: [{scor: 5, score: 5}]": "unknown key 'reviewer.0.scor'; did you mean 'reviewer.0.score'?",
    "workspace: {files: {a: {txt: x}}}": "unknown key 'workspace.files.a.txt'",
    "tasks: [5]": "'tasks.0': should be a mapping with keys such as name, task",
}


@pytest.mark.parametrize(("line", "sentence"), WRONG.items(), ids=WRONG)
def test_a_wrong_value_is_told_once_and_in_words_of_yaml(tmp_path, line, sentence) -> None:
    """One line for each mistake, with what should stand there; no name of a Python class or type."""
    file = tmp_path / "x.obra.yaml"
    key = line.partition(":")[0]
    text = "".join(known for name, known in BASE.items() if name != key) + line + "\n"
    file.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        Scenario.load_cases(file)
    (told,) = str(caught.value).splitlines()
    assert told.startswith(f"{file}:{text.count(chr(10))}: {sentence}")
    assert not [word for word in ("tuple", "dictionary", "instance", "Form", "after validation") if word in told]
