"""docs/writing-scenarios.md: what it shows is read by the code as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from obra.scenarios.forms import ScenarioForm
from obra.scenarios.scenario import Scenario

PAGE = (Path(__file__).parent.parent / "docs" / "writing-scenarios.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", BLOCKS, ids=lambda text: text.partition(":")[0])
def test_every_block_is_part_of_a_scenario(tmp_path: Path, text: str):
    """Each YAML block, with what it leaves out filled in, is a scenario."""
    (tmp_path / "fixtures" / "project").mkdir(parents=True)
    data = yaml.safe_load(text)
    if "parameters" not in data or "task" not in data:
        title = "Make $name" if "parameters" in data else "Make it"
        data = data if "tasks" in data else {"task": {"title": title}, **data}
    path = tmp_path / "s.obra.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert Scenario.load_cases(path)


def test_every_key_is_named():
    """The page lists all keys that a scenario may have."""
    (listed,) = re.findall(r"^The keys are (.*?)\.$", PAGE, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", listed)) == set(ScenarioForm.model_fields)


def test_the_check_of_the_page_works(tmp_path: Path):
    """The Python block defines a kind that validates and describes itself."""
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    found: dict[str, object] = {"__name__": "page"}
    exec(compile(code, "page", "exec"), found)
    check = found["LinesCheck"].model_validate({"at_most_lines": {"a.py": 100}})
    assert check.describe() == "a.py has at most 100 lines"
