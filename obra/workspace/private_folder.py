"""Private folders of the programs that Obra runs: made for one of them, removed with whatever it left there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def make_private_folder(purpose: str) -> Path:
    """Make an empty folder that only this user can enter, ``obra-PURPOSE-…`` among the temporary files."""
    return Path(tempfile.mkdtemp(prefix=f"obra-{purpose}-"))


def remove_private_folder(folder: Path) -> None:
    """Remove *folder*, with what tools left in it without write permission, such as module caches.

    Raises:
        OSError: something is left.
    """

    def make_removable(function: Callable[..., Any], path: str, _: object) -> None:
        Path(path).parent.chmod(0o700)
        if not Path(path).is_symlink():
            Path(path).chmod(0o700)
        function(path)

    shutil.rmtree(folder, onerror=make_removable)
