"""Where the queue is: in the database that the settings name, or for SQLite in a file beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from obra.config import Config
from obra.domain import Record
from obra.errors import ConfigError
from obra.prerequisites import database_file


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueAddress(Record):
    """``url`` for SQLAlchemy; ``file`` for SQLite, where queue and state have files of their own."""

    url: str
    file: Path | None

    @property
    def for_dbos(self) -> str:
        """The address as DBOS wants it; it chooses the driver itself."""
        return self.url.replace("postgresql+psycopg://", "postgresql://", 1)

    @classmethod
    def of(cls, config: Config) -> QueueAddress:
        """Return the address for *config*; the folder of an SQLite file is made.

        Raises:
            ConfigError: the database is in memory, or of another kind.
        """
        url = config.settings.database.url
        file = database_file(url)
        if file is not None:
            from obra.state.address import parsed, with_folder

            with_folder(parsed(url))
            queue = file.absolute().with_name("queue.db")
            return cls(url=f"sqlite:///{queue}", file=queue)
        if not url.startswith("postgresql"):
            raise ConfigError(
                "database.url: workers need a database that several processes can open: an SQLite file for one "
                "machine, or postgresql+psycopg://user@host/name for many"
            )
        return cls(url=url, file=None)


def artefacts_of(config: Config) -> str:
    """Return where the artefacts are: the setting, or for SQLite a folder beside its file.

    Raises:
        ConfigError: it is not set, and the database is one for many machines.
    """
    given = config.settings.scale.artefacts
    if given:
        return given
    file = database_file(config.settings.database.url)
    if file is None:
        raise ConfigError(
            "scale.artefacts is not set: with PostgreSQL, workers may stand on other machines, and need one place "
            "that all of them and you can reach: a shared folder, or s3://bucket/prefix (pip install 's3fs')"
        )
    return str(file.absolute().with_name("artefacts"))
