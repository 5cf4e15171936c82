"""obra database."""

from __future__ import annotations


def test_downgrade_and_what_comes_after(obra):
    """The version and the backup are named; the next use of the database migrates it again."""
    assert obra("project", "create", "shop").code == 0
    ended = obra("database", "downgrade", "0001")
    assert ended.code == 0
    assert ended.out.startswith("the database has schema version 0001\n  as it was before: ")
    assert obra("project", "list", "--json").data[0]["name"] == "shop"


def test_nothing_to_do_and_unknown_versions(obra):
    """The version that it has needs no backup; one that nobody knows is refused."""
    from obra.state.tables import SCHEMA_VERSION

    assert obra("project", "create", "shop").code == 0
    ended = obra("database", "downgrade", SCHEMA_VERSION)
    assert (ended.code, ended.out) == (0, f"the database has schema version {SCHEMA_VERSION}\n")
    refused = obra("database", "downgrade", "7")
    assert refused.code == 1
    assert "has schema version 7, this Obra" in refused.err
