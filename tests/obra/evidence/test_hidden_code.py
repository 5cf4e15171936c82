from __future__ import annotations

import pytest

from obra.evidence.hidden_code import NAME, look
from obra.evidence.scene import Scene


def seen(work, root, after, **more):
    """Return what is objected to."""
    found = list(look(work(after=after, **more), Scene(root=root)))
    assert all(one.name == NAME and one.required for one in found)
    return [one.message for one in found]


def test_a_link_that_leads_out_is_no_work(work, root) -> None:
    """Files and folders alike; one that stays inside is left alone."""
    (root.parent / "elsewhere").mkdir()
    (root / "lib").symlink_to(root.parent / "elsewhere")
    (root / "gone").symlink_to("/nowhere/at/all")
    (root / "a.txt").touch()
    (root / "b.txt").symlink_to("a.txt")
    (message,) = seen(work, root, {"lib": "", "gone": "", "b.txt": ""})
    assert "lib is a link" in message
    assert "gone is a link" in message
    assert "b.txt" not in message
    assert not seen(work, root, {"lib": None})


def test_compiled_python_is_no_work(work, root) -> None:
    """Nobody can read it; a task about compiling is another matter."""
    assert "calc.pyc is compiled" in seen(work, root, {"calc.pyc": ""})[0]
    assert not seen(work, root, {"calc.pyc": ""}, task="Compile calc.py to bytecode.")
    assert not seen(work, root, {"calc.pyc": None})


LOADS = {
    "path": "import sys\nsys.path.insert(0, '.git')\n",
    "added": "import sys\nsys.path.append('deep/site-packages')\n",
    "executed": "exec(open('.git/calc').read())\n",
    "loaded": "import importlib.util as u\nu.spec_from_file_location('c', '__pycache__/c.py')\n",
}


@pytest.mark.parametrize("text", LOADS.values(), ids=LOADS)
def test_code_from_folders_that_nobody_reads(work, root, text) -> None:
    """What lies there stands in no difference."""
    assert "takes code from" in seen(work, root, {"calc.py": text})[0]
    assert not seen(work, root, {"calc.py": text}, before={"calc.py": text})


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nsys.path.insert(0, 'src')\n",
        "from pathlib import Path\n\ndef is_repository(folder):\n    return Path(folder, '.git').exists()\n",
        "SKIPPED = {'.git', 'venv', 'node_modules'}\n",
    ],
)
def test_folders_that_are_only_named(work, root, text) -> None:
    """A tool may well look for a repository, or leave such folders out."""
    assert not seen(work, root, {"tool.py": text})
