from __future__ import annotations

import pytest

from obra.evidence.scope import look

BEFORE = {
    "shop/cart.py": "def total(x):\n    return sum(x)\n",
    "shop/old.py": "def legacy():\n    return 1\n",
    "data/prices.csv": "a,1\n",
    "notes.txt": "x",
}


@pytest.mark.parametrize("path", ["shop/cart.py", "shop/old.py", "data/prices.csv", "notes.txt"])
def test_deleting_what_nobody_speaks_of(work, path) -> None:
    """Files that were there stay."""
    (found,) = look(work(BEFORE, {path: None, "new.py": "x = 1\n"}, task="Add a discount."))
    assert found.required
    assert path in found.message


@pytest.mark.parametrize(
    ("path", "after", "task"),
    [
        ("shop/old.py", {}, "Remove the module old, it is dead."),
        ("shop/old.py", {}, "Delete shop/old.py."),
        ("data/prices.csv", {}, "Everything in the data folder is stale: delete it."),
        ("notes.txt", {}, "Get rid of notes.txt"),
        ("shop/old.py", {"shop/legacy/__init__.py": "def legacy():\n    return 1\n"}, "Make it a package."),
        (
            "shop/cart.py",
            {"shop/basket.py": "def total(x):\n    return sum(x)\n\ndef n():\n    return 1\n"},
            "Tidy.",
        ),
        ("run.log", {}, "Add a discount."),
        (".cache", {}, "Add a discount."),
    ],
)
def test_deleting_what_may_go(work, path, after, task) -> None:
    """The task names it, its code stands elsewhere, or it is litter."""
    assert not [
        one for one in look(work({**BEFORE, "run.log": ""}, {path: None, **after}, task=task)) if one.required
    ]


def test_a_task_about_files_makes_it_a_remark(work) -> None:
    """Clean-ups name no names."""
    (found,) = look(work(BEFORE, {"notes.txt": None}, task="Clean up the unused files."))
    assert not found.required


def test_changing_what_nobody_speaks_of_is_a_remark(work) -> None:
    """It forbids nothing."""
    (found,) = look(work(BEFORE, {"notes.txt": "y", "shop/cart.py": "X = 1\n"}, task="Fix shop/cart.py."))
    assert not found.required
    assert "notes.txt" in found.message


@pytest.mark.parametrize(
    ("after", "task"),
    [
        ({"shop/cart.py": "def total(x):\n    return 0\n", "new.py": ""}, "Fix new.py and total."),
        ({"shop/cart.py": "X = 1\n", "new.py": "import shop.cart\n"}, "Write new.py."),
        ({"shop/cart.py": "from shop import new\n", "shop/new.py": "X = 1\n"}, "Write new."),
        ({"notes.txt": "y", "new.py": "open('notes.txt')\n"}, "Write new.py."),
        ({"README.md": "y", "new.py": ""}, "Write new.py."),
        ({"notes.txt": "y"}, "Make it better."),
    ],
)
def test_changing_what_belongs_to_it(work, after, task) -> None:
    """Named, imported, importing, read, or a file that goes along with many a change."""
    assert not list(look(work({**BEFORE, "README.md": "x"}, after, task=task)))


def test_only_new_files_cost_nothing(work) -> None:
    """Nothing that was there was touched."""
    assert not list(look(work({}, {"a.py": "x = 1\n"})))
