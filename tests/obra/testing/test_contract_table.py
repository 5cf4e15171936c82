"""The table of the contract: what it shows of each case, where it goes on a page, and the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from obra.errors import ObraError
from obra.plugins import ContractCase
from obra.testing.contract_table import EXCEPTED, FAILED, MARKS, PASSED, Cell, markdown, put_into


def cell(case: ContractCase, result: str, detail: str = "") -> Cell:
    """Return a cell of the row ``mine``."""
    return Cell(adapter="mine", case=case, result=result, detail=detail, seconds=1.25)


def test_each_result_is_shown_and_told():
    """Seconds of what passed, the reason of an exception, the broken promise, and a dash for what did not run."""
    cells = [
        cell(ContractCase.NORMAL_TURN, PASSED),
        cell(ContractCase.COST_LIMIT, EXCEPTED, "it tells no cost"),
        cell(ContractCase.CRASH, FAILED, "is_healthy() must be True"),
    ]
    text = markdown(cells, {"mine": "mine 1.2", "absent": "not here: no program"})
    head, _, mine, absent, *notes = text.splitlines()
    assert len(head.split("|")) == len(mine.split("|")) == len(absent.split("|")) == 4 + len(ContractCase)
    assert mine.startswith("| mine | mine 1.2 | passed 1.2 s | - |")
    assert "| excepted |" in mine
    assert "| FAILED |" in mine
    assert absent.startswith("| absent | not here: no program | - | - |")
    assert "- mine, cost limit: it tells no cost" in notes
    assert "- **mine, crash**: is_healthy() must be True" in notes


def test_the_table_replaces_what_stands_between_the_marks(tmp_path: Path):
    """What is around it stays, and doing it again changes nothing more."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    for _ in range(2):
        put_into(page, "new\n")
        assert page.read_text() == f"before\n{MARKS[0]}\n\nnew\n\n{MARKS[1]}\nafter\n"


@pytest.mark.parametrize("text", ["", MARKS[0], MARKS[1], "".join((*MARKS, *MARKS))])
def test_a_page_without_the_marks_is_left_alone(tmp_path: Path, text: str):
    """It is refused, with the lines that it needs."""
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ObraError, match="must have the lines"):
        put_into(page, "new")
    assert page.read_text() == text


def test_the_command_writes_the_table_and_tells_each_case(tmp_path: Path):
    """One row and one case of it: the file has version, date and result; the exit code says that all passed."""
    file = tmp_path / "table.md"
    words = ["--agent", "mock", "--case", "normal turn", "--output", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "obra.testing", *words], capture_output=True, text=True, check=True
    )
    assert "mock, normal turn: passed" in done.stderr
    assert "Obra" in file.read_text().splitlines()[0]
    assert file.read_text() in done.stdout
    assert "| mock | mock | passed" in file.read_text()
