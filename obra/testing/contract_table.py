"""The table of adapters and contract cases: which stages there are here, and how each case ended."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from obra.errors import ObraError
from obra.plugins import ContractCase
from obra.testing.agent_contract import check_case
from obra.testing.agent_life import living
from obra.testing.scene import Stage
from obra.testing.ssh_server import NO_SERVER, sshd_here
from obra.testing.ssh_stage import SSHStage
from obra.testing.stages import CommandStage, MisbehavingStage, MockStage, ReplayStage

_TERMINAL_PATIENCE = 5.0
"""Seconds of silence that are normal for the interactive program: it is drawn, typed into and looked at."""
MARKS = ("<!-- python -m obra.testing writes below -->", "<!-- and above -->")
"""Between them stands the table on a page."""
PASSED, EXCEPTED, FAILED, NOT_SHOWN = "passed", "excepted", "FAILED", "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A real program that an adapter of ours drives, and where to find it."""

    kind: str
    variable: str
    program: str
    package: str
    patience: float = 2.0
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings that the cases need."""

    def find(self) -> str | None:
        """Return its path: what the variable names, or what is on PATH."""
        found = shutil.which(os.environ.get(self.variable) or self.program)
        return str(Path(found).absolute()) if found else None


KNOWN = (
    Known(
        kind="claude_code_local",
        variable="OBRA__AGENT__LOCAL__COMMAND",
        program="claude",
        package="@anthropic-ai/claude-code@2.1.330",
    ),
    Known(kind="codex", variable="CODEX_BINARY", program="codex", package="@openai/codex@0.169.0"),
    Known(
        kind="opencode",
        variable="OPENCODE_BINARY",
        program="opencode",
        package="opencode-ai@1.18.33",
        patience=6.0,
        options={"prices": {"input": 1.0, "output": 10.0}},
    ),
    Known(
        kind="gemini",
        variable="GEMINI_BINARY",
        program="gemini",
        package="@google/gemini-cli@0.61.0",
        patience=5.0,
    ),
    Known(
        kind="acp",
        variable="CLAUDE_CODE_ACP_BINARY",
        program="claude-code-acp",
        package="@zed-industries/claude-code-acp@0.16.2",
    ),
)
"""The real programs, by the type of the agent that drives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How one case ended for one adapter."""

    adapter: str
    case: ContractCase
    result: str
    detail: str = ""
    """Why it is excepted, or which promise was broken."""
    seconds: float = 0.0


def staged_here() -> Mapping[str, Stage | str]:
    """Return the stages of our adapters by the name of their row; a text says why there is none here."""
    rows: dict[str, Stage | str] = {"mock": MockStage(), "command": CommandStage()}
    for known in KNOWN:
        found = known.find()
        rows[known.kind] = (
            ReplayStage(known.kind, found, known.patience, known.options)
            if found
            else f"no {known.program}: npm install {known.package} and name its path in {known.variable}"
        )
    local = KNOWN[0]
    rows["claude_code_local, terminal"] = (
        ReplayStage(local.kind, found, _TERMINAL_PATIENCE, {"transport": "terminal"})
        if (found := local.find())
        else rows[local.kind]
    )
    rows["claude_code_ssh"] = (
        SSHStage("claude_code_ssh", found, _TERMINAL_PATIENCE)
        if (found := local.find()) and sshd_here()
        else (NO_SERVER if found else rows[local.kind])
    )
    rows["claude_code_local, misbehaving"] = MisbehavingStage()
    return rows


def cases_of(stage: Stage) -> tuple[ContractCase, ...]:
    """Return the cases that *stage* can bring about, all unless it says otherwise in ``cases``."""
    shown = getattr(stage, "cases", None)
    return tuple(case for case in ContractCase if shown is None or case in shown)


def run_cell(adapter: str, stage: Stage, case: ContractCase, *, workspace: Path) -> Cell:
    """Bring one case about; a broken promise is a result, not an error."""
    begun = time.monotonic()
    try:
        detail = check_case(case, stage, workspace=workspace)
        result = EXCEPTED if detail else PASSED
    except AssertionError as error:
        result, detail = FAILED, str(error)
    took = time.monotonic() - begun
    return Cell(adapter=adapter, case=case, result=result, detail=detail, seconds=took)


def program_of(stage: Stage, folder: Path) -> str:
    """Return name and version of the program on *stage*, as the agent tells them."""
    folder.mkdir()
    with stage.scene(ContractCase.SECOND_TURN, folder) as scene, living(stage.make_agent) as agent:
        agent.initialize({**scene.config, "workspace_dir": str(folder)})
        return agent.identity


def markdown(cells: Sequence[Cell], programs: Mapping[str, str]) -> str:
    """Return the table: adapters down, cases across, and below it each exception and each broken promise.

    Args:
        cells: what was found.
        programs: name and version of each adapter's program, or why there is none.
    """
    found = {(cell.adapter, cell.case): cell for cell in cells}
    lines = [
        f"| adapter | program | {' | '.join(ContractCase)} |",
        f"|{'---|' * (2 + len(ContractCase))}",
    ]
    for adapter, program in programs.items():
        row = [found.get((adapter, case)) for case in ContractCase]
        shown = [
            f"{cell.result} {cell.seconds:.1f} s"
            if cell and cell.result == PASSED
            else cell.result
            if cell
            else NOT_SHOWN
            for cell in row
        ]
        lines.append(f"| {adapter} | {program} | {' | '.join(shown)} |")
    notes: dict[str, None] = {}
    for cell in cells:
        if cell.result == EXCEPTED:
            notes[f"- {cell.adapter}, {cell.case}: {cell.detail}"] = None
    broken = [f"- **{cell.adapter}, {cell.case}**: {cell.detail}" for cell in cells if cell.result == FAILED]
    if notes:
        lines += ["", "Excepted, as the adapter itself declares:", "", *notes]
    if broken:
        lines += ["", "Broken promises:", "", *broken]
    return "\n".join(lines) + "\n"


def put_into(page: Path, text: str) -> None:
    """Replace what stands between the :data:`MARKS` of *page* by *text*.

    Raises:
        ObraError: the page has not both marks, each once.
    """
    parts = page.read_text(encoding="utf-8").split(MARKS[0])
    rest = parts[-1].split(MARKS[1])
    if len(parts) != len(MARKS) or len(rest) != len(MARKS):
        raise ObraError(f"{page} must have the lines {MARKS[0]!r} and {MARKS[1]!r}, each once")
    page.write_text(f"{parts[0]}{MARKS[0]}\n\n{text}\n{MARKS[1]}{rest[1]}", encoding="utf-8")
