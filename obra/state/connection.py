"""Connection: one transaction, with SQLAlchemy's statements on the database's own driver.

SQLAlchemy owns the tables, writes the SQL of each dialect and knows how its values travel; that is done once for
each statement and process. What is left for each call is the driver's own: SQLAlchemy's way to execute costs
several times what SQLite itself needs (``tests/bench/state.py`` measures it).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

Statement = sa.Select[Any] | sa.Insert | sa.Update | sa.Delete | sa.TextClause
Told = Callable[[str, Any], None]
"""Hears of each statement: its text, and its values as the driver gets them (for many rows a list of them)."""

_Process = Callable[[Any], Any]

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.0001, 0.01
"""Seconds between two looks whether another writer is done; they double from look to look."""
_PRIMARY = 0xFF
"""The bits of an error code of SQLite that say what it is; the others say more closely why."""


class Prepared:
    """One statement as a driver takes it."""

    def __init__(self, compiled: SQLCompiler, columns: Sequence[sa.ColumnElement[Any]]) -> None:
        """Learn from *compiled*, whose answer has these columns, how values get in."""
        dialect = compiled.dialect
        types = {name: bind.type for bind, name in compiled.bind_names.items()}
        names = list(compiled.positiontup or types)
        self.text = compiled.string
        self._names = None if compiled.positional else names
        self._given = {name: value for name, value in compiled.params.items() if value is not None}
        self._get = itemgetter(*names) if len(names) > 1 else lambda values: [values[name] for name in names]
        self._ways_in = [
            (place, process)
            for place, name in enumerate(names)
            if not isinstance(types[name], sa.Boolean)  # all drivers take those as they are
            and (process := types[name].dialect_impl(dialect).bind_processor(dialect))
        ]
        self._dialect = dialect
        self._types = [(str(column.key), column.type.dialect_impl(dialect)) for column in columns]
        self._columns = [name for name, _ in self._types]
        self._ways_out: list[tuple[str, _Process]] | None = None

    def bound(self, values: Mapping[str, Any]) -> Any:
        """Return *values* as the driver takes them."""
        found = list(self._get({**self._given, **values} if self._given else values))
        for place, process in self._ways_in:
            found[place] = process(found[place])
        return found if self._names is None else dict(zip(self._names, found, strict=True))

    def rows(self, cursor: Any, found: Sequence[Sequence[Any]]) -> Sequence[Mapping[str, Any]]:
        """Return what *cursor* answered by the names of its columns, each value as its type is in Python."""
        if self._ways_out is None:
            self._ways_out = [
                (name, process)
                for (name, kind), told in zip(self._types, cursor.description, strict=True)
                if (process := kind.result_processor(self._dialect, told[1]))
            ]
        rows = [dict(zip(self._columns, one, strict=True)) for one in found]
        for name, way_out in self._ways_out:
            for row in rows:
                row[name] = way_out(row[name])
        return rows


class Connection:
    """What the rest of this room reads and writes with, inside one transaction; rows are mappings."""

    def __init__(self, driver: Any, dialect: sa.Dialect, told: Told | None) -> None:
        """Use the driver's own connection *driver*."""
        self._driver = driver
        self._dialect = dialect
        self._told = told

    @property
    def speaks_postgresql(self) -> bool:
        """Tell whether a server with a clock and row locks of its own is at the other end."""
        return self._dialect.name == "postgresql"

    def begin(self, text: str, *, patience: float = 0) -> None:
        """Begin a transaction of SQLite with the statement *text*.

        SQLite itself sleeps 1 ms when another writer is at work, then 2, 5, 10 and so on to 100. Most of our
        transactions are over in less than the first of these, so that two workers would sleep away a good part of
        their time. With *patience* (seconds) we look again sooner, and after that time for the last time.

        Raises:
            sqlite3.OperationalError: another writer is still at work.
        """
        if self._told is not None:
            self._told(text, ())
        if not patience:
            self._command(text)
            return
        self._command("PRAGMA busy_timeout=0")
        try:
            self._begin_patiently(text, time.monotonic() + patience)
        finally:
            self._command(f"PRAGMA busy_timeout={int(patience * 1000)}")

    def _begin_patiently(self, text: str, end: float) -> None:
        pause = _SHORTEST_PAUSE
        while True:
            try:
                self._command(text)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                    raise
            else:
                return
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _command(self, text: str) -> None:
        self._driver.cursor().execute(text).close()

    def run(self, statement: Statement, values: Mapping[str, Any] | None = None) -> None:
        """Do *statement*; what it answers is not read."""
        self._do(self._prepared(statement, values), values).close()

    def run_many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Do *statement* once for each of *rows*, which all have the same names."""
        if not rows:
            return
        prepared = self._prepared(statement, rows[0])
        bound = [prepared.bound(row) for row in rows]
        if self._told is not None:
            self._told(prepared.text, bound)
        cursor = self._driver.cursor()
        cursor.executemany(prepared.text, bound)
        cursor.close()

    def insert(self, statement: sa.Insert, values: Mapping[str, Any]) -> int:
        """Insert one row and return the id that it got."""
        cursor = self._do(self._prepared(statement, values, returns_key=True), values)
        key: int = cursor.fetchone()[0]
        cursor.close()
        return key

    def first(self, statement: Statement, values: Mapping[str, Any] | None = None) -> Mapping[str, Any] | None:
        """Return the first row of the answer, or ``None``."""
        found = self.rows(statement, values, at_most=1)
        return found[0] if found else None

    def rows(
        self, statement: Statement, values: Mapping[str, Any] | None = None, *, at_most: int | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """Return all rows of the answer, or the first of them."""
        prepared = self._prepared(statement, values)
        cursor = self._do(prepared, values)
        found = prepared.rows(cursor, cursor.fetchall() if at_most is None else cursor.fetchmany(at_most))
        cursor.close()
        return found

    def _do(self, prepared: Prepared, values: Mapping[str, Any] | None) -> Any:
        bound = prepared.bound(values or {})
        if self._told is not None:
            self._told(prepared.text, bound)
        cursor = self._driver.cursor()
        cursor.execute(prepared.text, bound)
        return cursor

    def _prepared(
        self, statement: Statement, values: Mapping[str, Any] | None, *, returns_key: bool = False
    ) -> Prepared:
        """Return *statement* as it was prepared for these names; statements that live on are prepared once."""
        dialect = self._dialect
        key = (dialect.name, dialect.driver, returns_key, *(values or ()))
        known = _known.get(statement)
        if known is None:
            known = _known.setdefault(statement, {})
        found = known.get(key)
        if found is None:
            found = known[key] = _prepare(statement, dialect, tuple(values or ()), returns_key=returns_key)
        return found


_known: WeakKeyDictionary[Statement, dict[tuple[Any, ...], Prepared]] = WeakKeyDictionary()


def _prepare(statement: Statement, dialect: sa.Dialect, names: Sequence[str], *, returns_key: bool) -> Prepared:
    if returns_key and isinstance(statement, sa.Insert):
        statement = statement.returning(*statement.table.primary_key)
    compiled: SQLCompiler = statement.compile(dialect=dialect, column_keys=names or None)
    columns = () if isinstance(statement, sa.TextClause) else tuple(statement.exported_columns)
    return Prepared(compiled, columns)
