"""Allure's result files on a disk that is full: told, nothing half-written left, and the tests go on."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import allure_commons


class AllureDisk:
    """Stands around the library's own writer, which would end the run and leave unfinished files.

    Args:
        directory: Allure's results folder.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.problems: dict[str, None] = {}
        """What could not be written, and why."""

    @allure_commons.hookimpl(wrapper=True)
    def report_result(self) -> Generator[None, object, object]:
        """Write what became of a test."""
        return (yield from self._guarded())

    @allure_commons.hookimpl(wrapper=True)
    def report_container(self) -> Generator[None, object, object]:
        """Write what fixtures did."""
        return (yield from self._guarded())

    @allure_commons.hookimpl(wrapper=True)
    def report_attached_file(self, file_name: str) -> Generator[None, object, object]:
        """Copy a file."""
        return (yield from self._guarded(file_name))

    @allure_commons.hookimpl(wrapper=True)
    def report_attached_data(self, file_name: str) -> Generator[None, object, object]:
        """Write a text or bytes."""
        return (yield from self._guarded(file_name))

    def _guarded(self, name: str = "") -> Generator[None, object, object]:
        try:
            return (yield)
        except OSError as error:
            self.problems[f"Allure's results in {self._directory} cannot be written: {error.strerror}"] = None
            if name:  # older libraries write in place
                with suppress(OSError):
                    (self._directory / name).unlink(missing_ok=True)
            return []


def sweep(directory: Path) -> None:
    """Take away what was left half-written in Allure's results folder, once nobody writes any more."""
    for path in (*directory.glob("*.tmp"), *directory.glob("*.json")):
        if path.suffix == ".tmp" or not _is_whole(path):
            with suppress(OSError):  # the error that led here is the one to tell
                path.unlink()


def _is_whole(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True
