from __future__ import annotations

import pytest

from obra.evidence.answers_in_data import NAME, look
from obra.evidence.scene import Scene

TESTS = """
from calc import add, sub

def test_add():
    assert add(2, 3) == 5
    assert add(7, 8) == 15

def test_sub():
    assert sub(9, 4) == 5
    assert sub(2, 7) == -5
"""
READS = "def add(a, b):\n    return look_up('{}', a, b)\n"
TABLES = {
    "t.json": '{"add": {"2,3": 5, "7,8": 15}, "sub": {"9,4": 5}}',
    "records.json": '[{"a": 2, "b": 3, "sum": 5}, {"a": 7, "b": 8, "sum": 15}]',
    "rows.json": "[[2, 3, 5], [7, 8, 15]]",
    "t.csv": "add,2,3,5\nadd,7,8,15\n",
    "t.txt": "2 3 -> 5\n7 8 -> 15\n",
}


def seen(work, root, files, **more):
    """Return what is objected to in files of the change."""
    for path, text in files.items():
        (root / path).write_text(text)
    found = list(look(work(after=files, **more), Scene(root=root)))
    assert all(one.name == NAME and one.required for one in found)
    return [one.message for one in found]


@pytest.mark.parametrize("path", TABLES)
def test_a_file_of_answers_is_seen(work, root, path) -> None:
    """Whatever its form, it holds what the tests expect and little else."""
    (message,) = seen(work, root, {"calc.py": READS.format(path), path: TABLES[path]}, standing=(TESTS,))
    assert path in message


def test_a_module_of_answers_is_seen(work, root) -> None:
    """A table in another Python file is a table, too."""
    table = "T = {('add', 2, 3): 5, ('add', 7, 8): 15}\n"
    calc = "from answers import T\n\ndef add(a, b):\n    return T['add', a, b]\n"
    assert seen(work, root, {"calc.py": calc, "answers.py": table}, standing=(TESTS,))


def test_data_is_left_alone(work, root) -> None:
    """What the task names, what only tests read, what nobody reads, and what holds much more than is tested."""
    table = TABLES["t.json"]
    assert not seen(
        work, root, {"calc.py": READS.format("t.json"), "t.json": table}, standing=(TESTS,), task="Read t.json."
    )
    assert not seen(
        work, root, {"calc.py": "def add(a, b):\n    return a + b\n", "t.json": table}, standing=(TESTS,)
    )
    tests = f"CASES = open('t.json')\n{TESTS}"
    assert not seen(work, root, {"calc.py": READS.format("t.json"), "t.json": table, "test_calc.py": tests})
    whole = "".join(f"{a},{b},{a + b}\n" for a in range(20) for b in range(20))
    assert not seen(work, root, {"calc.py": READS.format("sums.csv"), "sums.csv": whole}, standing=(TESTS,))
    other = '{"title": "Sums", "width": 80}'
    assert not seen(work, root, {"calc.py": READS.format("o.json"), "o.json": other}, standing=(TESTS,))
    assert not seen(work, root, {"calc.py": READS.format("o.bin"), "o.bin": "\x00"}, standing=(TESTS,))


def test_without_tests_that_tell_anything_nothing_is_said(work, root) -> None:
    """One answer, or yes and no, may stand anywhere."""
    files = {"calc.py": READS.format("t.json"), "t.json": TABLES["t.json"]}
    assert not seen(work, root, files)
    assert not seen(work, root, files, standing=("def test_a():\n    assert add(2, 3) == 5\n",))
