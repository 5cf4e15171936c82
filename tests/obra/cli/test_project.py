"""obra project."""

from __future__ import annotations


def test_a_project_is_created_and_listed(obra, tmp_path):
    """Its folder is stored as a whole path, and what to type next is shown."""
    made = obra("project", "create", "shop", "--description", "The web shop", "--dir", "shop")
    assert made.code == 0
    assert made.out == "project 1 created: shop\n  next: obra task create 1 'WHAT IS TO BE DONE'\n"
    assert "name one with --workspace" in obra("project", "create", "homeless").out
    listed = obra("project", "list")
    assert listed.out.splitlines()[1:] == [
        f"1   active  shop      {tmp_path}/shop",
        "2   active  homeless  -",
    ]
    data = obra("project", "list", "--json").data
    assert [(one["id"], one["name"], one["description"]) for one in data] == [
        (1, "shop", "The web shop"),
        (2, "homeless", ""),
    ]


def test_a_list_where_nothing_is_stored_is_empty_and_writes_nothing(obra, tmp_path):
    """Looking must not make a database in whatever folder one happens to be."""
    ended = obra("project", "list", "--json")
    assert (ended.code, ended.data) == (0, [])
    assert "nothing is stored yet: there is no .obra/obra.db" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_wrong_names_and_folders_are_usage_errors(obra, write, tmp_path):
    """An empty name, or a file as folder."""
    write("file", "")
    for arguments, message in ((("  ",), "give the project a name"), (("x", "--dir", "file"), "is a file")):
        ended = obra("project", "create", *arguments)
        assert ended.code == 2
        assert message in ended.err
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_database_that_is_none_exits_1_with_one_message(obra, write):
    """A file that is something else is not touched."""
    write("notes.txt", "these are my notes, not a database" * 10)
    ended = obra("project", "list", "-o", "database.url=sqlite:///notes.txt")
    assert ended.code == 1
    assert ended.err.startswith("Error: the database sqlite:///")
    assert "name another database.url" in ended.err
    assert "Traceback" not in ended.err
