from __future__ import annotations

import pytest

from obra.evidence.foreign import is_foreign


@pytest.mark.parametrize(
    ("path", "foreign"),
    [
        (".git/config", True),
        ("web/node_modules/a/b.py", True),
        ("env/lib/python3.12/site-packages/a.py", True),
        ("env/Lib/site-packages/a.py", True),
        ("real/venv/lib/a.py", True),
        ("venv/calc.py", False),
        ("site-packages/calc.py", False),
        ("mine/site-packages/calc.py", False),
        ("src/venv.py", False),
        ("node_modules", False),
    ],
)
def test_a_name_alone_makes_nothing_foreign(root, path, foreign) -> None:
    """A virtual environment has its file, and packages lie in the folder of a Python."""
    (root / "real/venv").mkdir(parents=True)
    (root / "real/venv/pyvenv.cfg").touch()
    assert is_foreign(root, path) is foreign
