"""The house's own rules, read from the source: rooms, import directions, heavy libraries, names, public words."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import obra
import obra.errors

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("obra/**/*.py"), *ROOT.glob("pytest_obra/**/*.py")])
IDS = [str(path.relative_to(ROOT)) for path in SOURCES]
PURE = (
    "obra/prompting/",
    "obra/judging/",
    "obra/statistics/",
    "obra/scheduler.py",
    "obra/domain.py",
    "obra/events.py",
)
EFFECTS = tuple(
    f"obra/{room}/"
    for room in [
        "agents",
        "llm",
        "evidence",
        "monitoring",
        "notifying",
        "workspace",
        "replay",
        "state",
        "telemetry",
    ]
)
LEAVES = (
    "obra/domain.py",
    "obra/errors.py",
    "obra/events.py",
    "obra/plugins.py",
    "obra/config.py",
    "obra/settings.py",
)
LOOP = tuple(
    f"obra/{name}.py"
    for name in [
        "orchestrator", "attempt_making", "attempt_steps", "looking", "parts", "run_start", "sending", "task_run",
    ]
)  # fmt: skip
IMPURE_MODULES = {"os", "subprocess", "socket", "time", "random", "shutil", "tempfile", "logging", "secrets"}
HOMES = {
    "alembic": ("obra/state/",),
    "dbos": ("obra/scale/dbos_queue.py",),
    "fsspec": ("obra/scale/artefacts.py",),
    "psycopg": ("obra/state/",),
    "sqlalchemy": ("obra/state/", "obra/scale/"),
    "httpx": ("obra/llm/", "obra/notifying/", "obra/replay/"),
    "pexpect": ("obra/agents/",),
    "pyte": ("obra/agents/",),
    "paramiko": ("obra/agents/", "obra/workspace/"),
    "acp": ("obra/agents/",),
    "watchdog": ("obra/monitoring/",),
    "opentelemetry": ("obra/telemetry/",),
    "pygit2": ("obra/workspace/",),
    "textual": ("obra/watching/",),
    "textual_serve": ("obra/watching/",),
    "aiohttp": ("obra/watching/",),
    "rich": ("obra/watching/", "pytest_obra/live/"),
    "psutil": ("obra/workspace/", "obra/state/", "obra/agents/", "obra/testing/"),
    "allure": ("pytest_obra/reporters/",),
    "pytest": ("pytest_obra/",),
    "click": ("obra/cli/",),
    "plotext": ("obra/cli/",),
    "prompt_toolkit": ("obra/cli/",),
    "jinja2": ("obra/reports/",),
    "yaml": ("obra/documents.py", "obra/config.py", "obra/scenarios/", "obra/cli/"),
}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "core", "types", "manager"}
TOP_LEVEL = {
    "pyproject.toml", "README.md", "obra", "pytest_obra", "scenarios", "tests", "config", "reports",
    "LICENSE", "CHANGELOG.md", "docs", ".ci", ".gitignore",
}  # fmt: skip


def name_of(path: Path) -> str:
    """Return a path as rules write it."""
    return path.relative_to(ROOT).as_posix()


def within(name: str, places: tuple[str, ...]) -> bool:
    """Tell whether a file stands in one of the places."""
    return name.startswith(places)


def imports_of(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """Yield the dotted names that a file imports; with top_only, those that run when it is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        node
        for holder in ast.walk(tree)
        if isinstance(holder, (ast.FunctionDef, ast.AsyncFunctionDef)) or _is_type_checking(holder)
        for node in ast.walk(holder)
    }
    for node in ast.walk(tree):
        if top_only and node in inside:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            yield node.module or ""


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


@pytest.mark.parametrize("path", [path for path in SOURCES if within(name_of(path), PURE)], ids=name_of)
def test_pure_rooms_touch_nothing(path):
    """Pure rooms import no clock, no random source, no file system, no process, and call no open or print."""
    roots = {name.partition(".")[0] for name in imports_of(path)}
    assert not roots & IMPURE_MODULES
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "eval", "exec"}


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_many_workers_are_asked_for_by_their_users_only(path):
    """Nothing below them knows the queue: who runs one scenario on one machine never loads it."""
    name = name_of(path)
    if not within(name, ("obra/scale/", "obra/cli/", "pytest_obra/")):
        assert not {one for one in imports_of(path) if one.startswith("obra.scale")}
    if within(name, ("obra/cli/", "pytest_obra/")):
        assert not {one for one in imports_of(path, top_only=True) if one.startswith("obra.scale")}


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_imports_run_one_way(path):
    """Each room imports only what stands below it in the drawing of the house."""
    name, names = name_of(path), set(imports_of(path))

    def imports_any(*prefixes: str) -> set[str]:
        return {one for one in names if one.startswith(prefixes)}

    if name == "obra/errors.py":
        assert not imports_any("obra")
    if name == "obra/domain.py":
        assert not imports_any("obra")
    if name in LEAVES:
        assert imports_any("obra") <= {
            "obra.errors",
            "obra.domain",
            "obra.events",
            "obra.documented",
            "obra.documents",
            "obra.settings",
            "obra.wrong_values",
        }
    if within(name, EFFECTS):
        assert not imports_any("obra.prompting", "obra.judging", "obra.orchestrator", "obra.bootstrap", "obra.cli")
    if within(name, ("obra/prompting/", "obra/judging/", "obra/scheduler.py")):
        allowed = ("obra.prompting", "obra.judging", "obra.domain", "obra.errors", "obra.events")
        assert not {one for one in imports_any("obra") if not one.startswith(allowed)}
    if name in LOOP:
        assert not imports_any("obra.agents", "obra.llm", "obra.cli", "obra.replay", "obra.scenarios")
    if name.startswith("obra/") and not within(name, ("obra/cli/", "obra/__main__.py")):
        assert not imports_any("obra.cli")
    if name.startswith("obra/"):
        assert not imports_any("pytest_obra", "allure")


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_who_watches_changes_nothing(path):
    """The room of the watchers knows nobody who works or judges, and only the command line opens it."""
    name, names = name_of(path), set(imports_of(path))
    at_work = ("obra.bootstrap", "obra.orchestrator", "obra.judging", "obra.prompting", "obra.agents", "obra.llm")
    if within(name, ("obra/watching/",)):
        assert not {one for one in names if one.startswith(at_work)}
    elif not within(name, ("obra/cli/",)):
        assert not {one for one in names if one.startswith("obra.watching")}


@pytest.mark.parametrize("path", sorted(ROOT.glob("obra/statistics/*.py")), ids=name_of)
def test_statistics_know_only_the_nouns(path):
    """The arithmetic imports nothing of ours but itself and the domain, so that every room may use it."""
    names = {name for name in imports_of(path) if name.startswith("obra")}
    assert not {name for name in names if not name.startswith(("obra.statistics", "obra.domain"))}


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_heavy_libraries_stay_in_their_rooms(path):
    """Each heavy library is imported in its own room, and nothing of pytest's inside is imported anywhere."""
    name = name_of(path)
    for module in imports_of(path):
        root = module.partition(".")[0]
        assert root != "_pytest", f"{name} imports {module}"
        if root in HOMES:
            assert within(name, HOMES[root]), f"{name} imports {root}, which belongs in {HOMES[root]}"


def test_the_plugin_is_light():
    """What pytest loads in every run imports only pytest and the standard library."""
    for name in ("plugin", "fixtures"):
        roots = {one.partition(".")[0] for one in imports_of(ROOT / f"pytest_obra/{name}.py", top_only=True)}
        assert not roots & {"obra", "pydantic", "yaml", "sqlalchemy"}


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_file_names_say_what_is_inside(path):
    """No file is called after a drawer for everything."""
    assert path.stem not in FORBIDDEN_NAMES
    assert not any(part in FORBIDDEN_NAMES for part in path.relative_to(ROOT).parts[:-1])


@pytest.mark.parametrize("room", sorted({path.parent for path in SOURCES}), ids=str)
def test_each_room_has_its_sign(room):
    """Each room's __init__ says what belongs here and where to start."""
    sign = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert len(sign) > 80
    assert "tart" in sign


def test_public_names_are_what_the_contract_says():
    """Everything in obra.__all__ can be imported from obra, and comes from the room that _HOMES names."""
    assert set(obra._HOMES) | {"__version__"} == set(obra.__all__)
    for name, home in obra._HOMES.items():
        assert getattr(obra, name) is getattr(importlib.import_module(home), name)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        obra.Nonsense  # noqa: B018  # the access is the test


def test_the_drawn_error_tree_is_true():
    """The tree in the docstring of obra.errors is the tree of the classes."""
    drawn: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for line in (obra.errors.__doc__ or "").splitlines():
        found = re.match(r"^    ([|+\- ]*)([A-Z]\w+)\s{2,}\S", line)
        if not found:
            continue
        depth, name = len(found[1]), found[2]
        while stack and stack[-1][0] >= depth:
            stack.pop()
        drawn[name] = stack[-1][1] if stack else "Exception"
        stack.append((depth, name))
    real = {
        name: kind.__bases__[0].__name__
        for name, kind in inspect.getmembers(obra.errors, inspect.isclass)
        if issubclass(kind, Exception)
    }
    assert drawn == real


def test_top_level_is_as_agreed():
    """Nothing stands at the top of the repository but what was agreed."""
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert {line.split("/")[0].strip('"') for line in listed.stdout.splitlines()} <= TOP_LEVEL


def test_no_machine_stands_in_the_tree():
    """No tracked file names a folder of one machine or a registry's host."""
    pattern = re.compile(r"/(work|farm|root|home/[a-z]+)/|files\.pythonhosted|pypi\.org|registry\.npmjs")
    for path in [*SOURCES, *ROOT.glob("tests/**/*.py"), *ROOT.glob("*.md"), *ROOT.glob("config/*")]:
        if path != Path(__file__):
            assert not pattern.search(path.read_text(encoding="utf-8")), path
