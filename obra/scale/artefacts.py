"""What is too large for a database: archives of scenarios, objects of snapshots, rows of cases.

A folder, or any address that fsspec knows (``s3://bucket/prefix``). References in the database are relative to it,
so that each machine may reach the same place by a path of its own.
"""

from __future__ import annotations

from typing import Any

from obra.errors import PrerequisiteError, ScaleError
from obra.redaction import without_secrets


class Artefacts:
    """One place for artefacts.

    Args:
        url: a folder or an address of fsspec.

    Raises:
        PrerequisiteError: the extra, or the driver for this kind of address, is not installed.
        ScaleError: it is no address that can be used.
    """

    def __init__(self, url: str) -> None:
        self.shown = without_secrets(url)
        try:
            import fsspec.core
        except ImportError as error:
            raise PrerequisiteError(["the extra 'scale' is not installed: pip install 'obra[scale]'"]) from error
        try:
            system, root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise PrerequisiteError([f"{self.shown} needs a driver of fsspec that is missing: {error}"]) from error
        except ValueError as error:
            raise ScaleError(f"scale.artefacts is {self.shown!r}, which fsspec does not know: {error}") from error
        except Exception as error:  # each driver raises its own kinds; some log in at once
            raise self._failed("opened", "", error) from error
        self._system: Any = system
        self._root = root.rstrip("/")
        self._is_local = "file" in (system.protocol if isinstance(system.protocol, tuple) else (system.protocol,))

    def write(self, reference: str, data: bytes) -> None:
        """Store *data* under *reference*, whole or not at all.

        Raises:
            ScaleError: it cannot be written.
        """
        path = self._path(reference)
        try:
            if self._is_local:  # a half-written file would be read by others; object stores write whole objects
                self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._system.pipe_file(f"{path}.part", data)
                self._system.mv(f"{path}.part", path)
            else:
                self._system.pipe_file(path, data)
        except Exception as error:  # each driver raises its own kinds
            raise self._failed("written", reference, error) from error

    def read(self, reference: str) -> bytes:
        """Return what is stored under *reference*.

        Raises:
            ScaleError: it is not there or cannot be read.
        """
        try:
            data: bytes = self._system.cat_file(self._path(reference))
        except FileNotFoundError as error:
            raise ScaleError(
                f"{self.shown} has no {reference!r}: do all workers and you mean the same place by "
                f"scale.artefacts, and was it pruned?"
            ) from error
        except Exception as error:  # each driver raises its own kinds
            raise self._failed("read", reference, error) from error
        return data

    def has(self, reference: str) -> bool:
        """Tell whether something is stored under *reference*.

        Raises:
            ScaleError: it cannot be told.
        """
        try:
            return bool(self._system.exists(self._path(reference)))
        except Exception as error:  # each driver raises its own kinds
            raise self._failed("looked at", reference, error) from error

    def list(self, folder: str) -> tuple[str, ...]:
        """Return the references below *folder*, sorted.

        Raises:
            ScaleError: it cannot be read.
        """
        self._system.invalidate_cache()
        try:
            found = self._system.find(self._path(folder))
        except FileNotFoundError:
            return ()
        except Exception as error:  # each driver raises its own kinds
            raise self._failed("listed", folder, error) from error
        return tuple(sorted(path.removeprefix(f"{self._root}/") for path in found if not path.endswith(".part")))

    def remove(self, folder: str) -> int:
        """Remove all below *folder*, and return how many files that were.

        Raises:
            ScaleError: it cannot be removed.
        """
        found = self.list(folder)
        if not found:
            return 0
        try:
            self._system.rm(self._path(folder), recursive=True)
        except Exception as error:  # each driver raises its own kinds
            raise self._failed("removed", folder, error) from error
        return len(found)

    def _path(self, reference: str) -> str:
        return f"{self._root}/{reference}"

    def _failed(self, what: str, reference: str, error: Exception) -> ScaleError:
        said = without_secrets(str(error)).strip().partition("\n")[0] or type(error).__name__
        place = f"{self.shown}: {reference!r}" if reference else self.shown
        return ScaleError(f"{place} cannot be {what}: {said}; see that it can be reached from here")
