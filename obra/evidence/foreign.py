"""Which files of a workspace others wrote: installed packages and what belongs to git are no work to be judged."""

from __future__ import annotations

import re
from pathlib import Path

ENVIRONMENTS = frozenset({"venv", ".venv"})
PACKAGES = "site-packages"
_ALWAYS = frozenset({".git", "node_modules"})
_ABOVE_PACKAGES = re.compile(r"(?:python|pypy)[\d.]+|Lib", re.IGNORECASE)


def is_foreign(root: Path, path: str) -> bool:
    """Tell whether *path*, relative to the workspace *root*, lies in what was installed there.

    A folder that is only called ``venv`` is none: a virtual environment has a ``pyvenv.cfg``, and packages lie in
    the folder of a Python. Otherwise a name would be enough to keep code from being looked at.
    """
    folders = path.split("/")[:-1]
    for at, folder in enumerate(folders):
        if folder in _ALWAYS:
            return True
        if folder in ENVIRONMENTS and Path(root, *folders[: at + 1], "pyvenv.cfg").is_file():
            return True
        if folder == PACKAGES and at and _ABOVE_PACKAGES.fullmatch(folders[at - 1]):
            return True
    return False
