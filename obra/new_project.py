"""A project of one's own in a minute: settings, a first scenario, a CI job; nothing is overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from obra.domain import Record
from obra.errors import WorkspaceError

SETTINGS = Path("config") / "obra.yaml"
SCENARIO = "hello_world"
CI_FILES = {
    "github": (Path(".github") / "workflows" / "scenarios.yml", "github-workflow.yml"),
    "gitlab": (Path(".gitlab-ci.yml"), "gitlab-ci.yml"),
}
"""For each CI service the file that it reads, and the kit that it is made from."""
IGNORED = (".obra/", "reports/", "logs/", "allure-results/", "allure-report/")
"""What runs leave behind and nobody commits."""

_SETTINGS_TEXT = """\
# Settings of this project; a key that is not here has its default. 'obra config --default' prints every key with
# its meaning, and 'obra config --config config/obra.yaml' what is in force. The rung mock needs none of this.
agent:
  type: claude_code_local
  local:
    command: claude
    # The agent sees none of your environment but these names. HOME lets it find your 'claude' login;
    # ANTHROPIC_API_KEY, where it is set, pays by the token instead.
    pass_environment: [HOME, ANTHROPIC_API_KEY]
llm:
  type: ollama                   # who reviews; 'obra llm pull' fetches the model
  model: qwen2.5-coder:32b
  api_url: http://localhost:11434
orchestration:
  max_iterations: 5
  max_cost_usd: 2                # dollars for one task, as the agent reports them
logging:
  level: INFO
  file: logs/obra.log
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedProject(Record):
    """What was written, what was there already and stays as it is, and the commands that lead on.

    Paths are relative to ``folder``. ``misplaced`` tells what to do with a CI job that its service will not find.
    """

    folder: Path
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    following: tuple[str, ...]
    misplaced: str = ""


def start_project(folder: Path, ci: str | None = "github") -> StartedProject:
    """Make *folder* a project of Obra: settings, a first scenario with its schema, a CI job, ``.gitignore`` lines.

    Args:
        folder: made when missing; it may hold anything already.
        ci: a key of :data:`CI_FILES`, or ``None`` for no CI job.

    Raises:
        WorkspaceError: something cannot be written; what was written before stays.
    """
    written: list[Path] = []
    kept: list[Path] = []
    try:
        for path, text in _wanted(ci):
            (written if _write_new(folder / path, text) else kept).append(path)
        ignore = Path(".gitignore")
        (written if _add_lines(folder / ignore) else kept).append(ignore)
    except OSError as error:
        where = error.filename or folder
        raise WorkspaceError(f"{where} cannot be written: {error.strerror}; choose another folder") from error
    return StartedProject(
        folder=folder,
        written=tuple(written),
        kept=tuple(kept),
        following=_following(),
        misplaced=_misplaced(folder.resolve(), ci),
    )


def _misplaced(folder: Path, ci: str | None) -> str:
    """Tell where the CI job belongs when *folder* lies within a repository; services look only in its root."""
    root = next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)
    if ci is None or root == folder:
        return ""
    inner = folder.relative_to(root).as_posix()
    return (
        f"the CI job is found only in the root of a repository: move it to {root}, and run its commands in {inner}"
    )


def _wanted(ci: str | None) -> Iterator[tuple[Path, str]]:
    from obra.scenarios.scenario import SUFFIX
    from obra.scenarios.schema import schema_text
    from obra.scenarios.skeleton import SCHEMA, skeleton_text

    scenarios = Path("scenarios")
    yield SETTINGS, _SETTINGS_TEXT
    yield scenarios / f"{SCENARIO}{SUFFIX}", skeleton_text(SCENARIO)
    yield scenarios / SCHEMA, schema_text()
    if ci is not None:
        path, kit = CI_FILES[ci]
        yield path, kit_text(kit).replace("config/real.yaml", SETTINGS.as_posix())


def kit_text(name: str) -> str:
    """Return a file that is shipped with the product, such as ``gitlab-ci.yml`` or ``troubleshooting.md``."""
    return (files("obra.kits") / name).read_text(encoding="utf-8")


def _following() -> tuple[str, str, str]:
    return (
        "pytest scenarios/",
        "obra scenario new mine --folder scenarios",
        f"obra doctor --config {SETTINGS.as_posix()}",
    )


def _write_new(path: Path, text: str) -> bool:
    """Write a file and its folder; tell whether it was not there before."""
    from obra.scenarios.skeleton import write_new

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_new(path, text)
    except FileExistsError:
        return False
    return True


def _add_lines(path: Path) -> bool:
    """Add to ``.gitignore`` what runs leave behind, below what stands there; tell whether anything was wanting."""
    text = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""
    there = {line.strip().strip("/") for line in text.splitlines()}
    wanting = [line for line in IGNORED if line.strip("/") not in there]
    if not wanting:
        return False
    begin = "" if not text or text.endswith("\n") else "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(begin + "# what Obra's runs leave behind\n" + "".join(f"{line}\n" for line in wanting))
    return True
