"""Scripts that written commands run to check the work: who changes them, changes the check."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from obra.domain import ChangeKind, CheckResult
from obra.evidence.expectations import commands, words_of
from obra.evidence.findings import Work, objection
from obra.evidence.paths import Unusable, read_file, shown, text_of
from obra.evidence.scene import Scene
from obra.evidence.task_words import names_path

NAME = "the checks run what they ran"
_STOOD = frozenset({ChangeKind.MODIFIED, ChangeKind.DELETED, ChangeKind.RENAMED, ChangeKind.TYPE_CHANGED})
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
"""In the order in which GNU make looks for them (its manual, "What name to give your makefile")."""
_SHELL = frozenset({".sh", ".bash", ".zsh", ".bats", ".mk", ".ps1"})
_CHECKS = re.compile(r"(?:^|[_-])(?:run[_-]?tests?|tests?|checks?|verify|validate|ci)(?:$|[_-])", re.IGNORECASE)
_ANSWERS = re.compile(
    r"(?:^|[/._-])(?:expected|expectations?|golden|goldens|oracle|answers?|cases|vectors|snapshots?)(?:$|[/._-])",
    re.IGNORECASE,
)
"""Parts of paths of what a check compares with."""
_NAMED = re.compile(r"[\w.-]+(?:/[\w.-]+)*")
_RULE = re.compile(r"(?P<targets>[^\s#:=][^#:=]*)::?(?!=)(?P<needs>[^#;]*)")
_NODE = re.compile(r"\b(?:npm|pnpm|yarn)\s+(?:(?:run|run-script)\s+)?(?:-\S+\s+)*(?P<name>[\w:.-]+)")
_SHORT = {"t": "test", "tst": "test"}


def look(work: Work, scene: Scene) -> Iterator[CheckResult]:
    """Yield an objection when a script that stood before is another one now, and the task does not name it.

    Scripts are shell files and Python files that are called as checks are, the targets of a Makefile that ``make``
    is asked for with what they need, and the scripts of ``package.json`` that npm and its like run. So are those
    that such a script names, and files that are called as what is expected.
    """
    lines = [check.command.run for check in commands(work)]
    if not lines:
        return
    words = {word.removeprefix("./") for line in lines for word in words_of(line)}
    seen = list(_in_front(work, lines, scene))
    if any(change.kind in _STOOD for change in work.changes):
        words |= {name.removeprefix("./") for path in sorted(words) for name in _named_in(path, scene)}
    for change in work.changes:
        path = change.old_path or change.path
        if change.kind in _STOOD and not names_path(work.task_text, path):
            is_other = path in words and (_is_script(path) or _ANSWERS.search(path) is not None)
            seen += [f"{shown(path)} was {change.kind.replace('_', ' ')}"] if is_other else []
            seen += _parts(path, lines, scene)
    if seen:
        yield objection(NAME, "the scripts that checks run to be left alone", seen, kind="command")


def _in_front(work: Work, lines: list[str], scene: Scene) -> Iterator[str]:
    """Yield new makefiles that ``make`` takes in the place of the one that stood."""
    if not any("make" in words_of(line) for line in lines):
        return
    for change in work.changes:
        if change.path not in _MAKEFILES or names_path(work.task_text, change.path) or scene.before(change.path):
            continue
        for name in _MAKEFILES[_MAKEFILES.index(change.path) + 1 :]:
            if scene.before(name) is not None:
                yield f"{shown(change.path)} takes the place of {name}"


def _named_in(path: str, scene: Scene) -> list[str]:
    """Return what may be names of files in the script *path*, as it stood when the task began."""
    if not _is_script(path):
        return []
    return _NAMED.findall(text_of(scene.before(path)))


def _is_script(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.suffix in _SHELL or (pure.suffix in {"", ".py", ".js"} and _CHECKS.search(pure.stem) is not None)


def _parts(path: str, lines: list[str], scene: Scene) -> Iterator[str]:
    """Yield which targets or scripts that commands ask for are other ones in the file *path*."""
    read: Callable[[str], Mapping[str, str]]
    if path in _MAKEFILES:
        asked, read = [name for line in lines for name in _targets(line)], _rules
    elif path == "package.json":
        found = [match["name"] for line in lines for match in _NODE.finditer(line)]
        asked, read = [_SHORT.get(name, name) for name in found], _scripts
    else:
        return
    if not asked:
        return
    before, after = read(text_of(scene.before(path))), read(_now(scene, path))
    for name in dict.fromkeys(asked):
        if name in before and before[name] != after.get(name):
            yield f"{name or 'the first target'} of {shown(path)} is another one"


def _targets(line: str) -> Iterator[str]:
    words = words_of(line)
    if "make" in words:
        named = [word for word in words[words.index("make") + 1 :] if re.fullmatch(r"[\w.-]+", word)]
        yield from [word for word in named if not word.startswith("-")] or [""]


def _rules(text: str) -> dict[str, str]:
    """Return each target with its recipe and those that it needs; the first one under the empty name, too."""
    own: dict[str, str] = {}
    needs: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        rule = None if line.startswith("\t") else _RULE.match(line)
        if rule:
            current = rule["targets"].split()
            for name in current:
                needs.setdefault(name, []).extend(rule["needs"].split())
        if line.startswith("\t") or rule:
            for name in current:
                own[name] = own.get(name, "") + line + "\n"
    whole = {name: "".join(own.get(one, "") for one in _reached(name, needs)) for name in own}
    first = next((name for name in own if not name.startswith(".")), None)
    return {**whole, **({"": whole[first]} if first else {})}


def _reached(name: str, needs: Mapping[str, list[str]]) -> list[str]:
    found = [name]
    for one in found:
        found += [other for other in needs.get(one, ()) if other not in found]
    return found


def _scripts(text: str) -> dict[str, str]:
    import json

    try:
        scripts = json.loads(text)["scripts"]
        return {str(name): str(line) for name, line in scripts.items()}
    except (ValueError, KeyError, TypeError, AttributeError):  # no such file, or none that npm could read
        return {}


def _now(scene: Scene, path: str) -> str:
    try:
        return text_of(read_file(scene.root, path))
    except Unusable:
        return ""
