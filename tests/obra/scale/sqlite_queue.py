"""Whether this Python can keep a queue in SQLite; where not, tests that need one are skipped and say why."""

from __future__ import annotations

import sqlite3
import sys

import pytest

from obra.errors import PrerequisiteError


def need_sqlite_queue() -> None:
    """Skip where DBOS is missing, or the SQLite of this Python is too old for it."""
    pytest.importorskip("dbos", reason="the extra 'scale' is not installed: pip install 'obra[scale]'")
    from obra.scale.dbos_queue import require_subseconds

    try:
        require_subseconds(sys.version_info, sqlite3.sqlite_version_info)
    except PrerequisiteError as error:
        pytest.skip(str(error), allow_module_level=True)
