"""Every error of the database library becomes one StateError: what happened, where, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obra.errors import StateError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_ADVICE = (
    ("locked", "another process holds the database; wait for it or end it, then try again"),
    ("lock timeout", "another process holds that row; wait for it or end it, then try again"),
    ("busy", "another process holds the database; wait for it or end it, then try again"),
    ("readonly", "make the file and its folder writable, or name another database.url"),
    ("read-only", "make the file and its folder writable, or name another database.url"),
    ("full", "free some space on its disk, then try again; nothing was half-written"),
    ("disk i/o", "check the disk and its free space; nothing was half-written"),
    ("unable to open", "check that its folder exists and may be written, or name another database.url"),
    ("not a database", "the file is something else; name another database.url"),
    ("malformed", "the file is damaged; restore a backup or name another database.url"),
    ("already exists", "the database holds tables that are not Obra's; name another database.url"),
    ("no such table", "the database is not complete; restore a backup or name another database.url"),
    ("unique constraint", "this is stored already; read it instead of storing it again"),
    ("foreign key", "it belongs to something that is not stored; create that first"),
    ("check constraint", "the value is outside of what the table allows"),
    ("too big", "the text is larger than the database allows"),
)
_OTHER_ADVICE = "check database.url and that its server runs"


def masked(url: URL) -> str:
    """Return *url* for messages, with every password in it replaced by ``***``."""
    secret = [name for name in url.query if "pass" in name.lower() or "secret" in name.lower()]
    return url.update_query_dict(dict.fromkeys(secret, "***")).render_as_string(hide_password=True)


def state_error(error: Exception, url: URL) -> StateError:
    """Return the StateError that tells about *error*, which the database at *url* answered with.

    SQLAlchemy's own text is not used: it repeats the statement and its values.
    """
    what = str(getattr(error, "orig", None) or error).strip().split("\n", maxsplit=1)[0]
    if url.password:
        what = what.replace(str(url.password), "***")
    lowered = what.lower()
    advice = next((text for sign, text in _ADVICE if sign in lowered), _OTHER_ADVICE)
    return StateError(f"the database {masked(url)} failed: {what}; {advice}")
