from __future__ import annotations

import pytest

from obra.errors import PrerequisiteError
from obra.scale.dbos_queue import require_subseconds


def test_a_sqlite_that_is_too_old_is_refused_before_anything_is_written() -> None:
    """DBOS would ask it for something that it does not know, and store no time at all."""
    with pytest.raises(
        PrerequisiteError, match=r"the queue needs SQLite 3\.42 .* this Python has 3\.40\.1: name a"
    ):
        require_subseconds((3, 12, 1), (3, 40, 1))


@pytest.mark.parametrize(("python", "sqlite"), [((3, 11, 9), (3, 40, 1)), ((3, 13, 0), (3, 42, 0))])
def test_what_fits_together_is_taken(python, sqlite) -> None:
    """An older Python asks for less, and a newer SQLite knows more."""
    require_subseconds(python, sqlite)
