"""Where a database is: its URL, and for SQLite the folder of its file."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from obra.errors import StateError


def parsed(url: str) -> sa.URL:
    """Return *url*, taken apart.

    Raises:
        StateError: it is no database URL.
    """
    try:
        return sa.make_url(url)
    except (SQLAlchemyError, ValueError) as error:
        raise StateError(
            "database.url is not a database URL; write for example sqlite:///.obra/obra.db"
        ) from error


def with_folder(url: sa.URL) -> sa.URL:
    """Make the folder of an SQLite file and return *url* with an absolute path (the folder may change later)."""
    name = url.database or ""
    if name.startswith("file:"):
        return url
    path = Path(name).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ignore = path.parent / ".gitignore"
        if path.parent.name == ".obra" and not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")
    except OSError as error:
        raise StateError(
            f"the folder {path.parent} of the database cannot be made: {error.strerror or error}; "
            f"make it, or name another database.url"
        ) from error
    return url.set(database=str(path))


def of_existing(url: sa.URL) -> sa.URL:
    """Return *url* of an SQLite file that is there, with an absolute path.

    Raises:
        StateError: there is no such file.
    """
    name = url.database or ""
    if name.startswith("file:"):
        return url
    path = Path(name).absolute()
    if not path.is_file():
        raise StateError(f"there is no database {path} yet; the first run makes it, or name another database.url")
    return url.set(database=str(path))


def for_reading(url: sa.URL) -> sa.URL:
    """Return the address under which SQLite opens the file of *url* and can never write it."""
    name = url.database or ""
    how = {"mode": "ro", "uri": "true"}
    if not name.startswith("file:"):
        how |= {"immutable": "1"} if is_at_rest(Path(name)) else {}
        name = f"file:{quote(name)}"
    return url.set(database=name).update_query_dict(how)


def is_at_rest(file: Path) -> bool:
    """Tell whether an SQLite file in WAL mode has to be read as one that nobody changes.

    SQLite makes the files ``-wal`` and ``-shm`` even to read, and refuses where the folder may not be written.
    While anybody has the database open for writing, its ``-wal`` is there, and can be read along; where there is
    none, all is in the file itself (https://www.sqlite.org/wal.html, "Read-Only Databases").
    """
    return not os.access(file.parent, os.W_OK) and not file.with_name(f"{file.name}-wal").exists()
