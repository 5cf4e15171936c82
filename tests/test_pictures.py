"""The pictures of docs/: they tell no machine and no person, ask no other host, and are shown somewhere."""

from __future__ import annotations

import getpass
import html
import re
import socket
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PICTURES = sorted((ROOT / "docs/pictures").iterdir())
LARGEST = 200_000


def words_of(svg: str) -> str:
    """What a person reads in a picture, line by line."""
    return "\n".join(html.unescape(text) for text in re.findall(r"<text[^>]*>(.*?)</text>", svg))


@pytest.mark.parametrize("path", [one for one in PICTURES if one.suffix == ".svg"], ids=lambda path: path.name)
def test_a_picture_tells_nothing_of_where_it_was_made(path):
    """No folder of a person or a machine, no user, no host; and nothing is loaded from elsewhere."""
    svg = path.read_text(encoding="utf-8")
    assert len(words_of(svg)) > 500
    assert not re.search(r"/(root|home|Users|work|farm|var|opt)\b|site-packages|pyenv", svg)
    for name in {getpass.getuser(), socket.gethostname()} - {"root"}:
        assert not re.search(rf"\b{re.escape(name)}\b", words_of(svg))
    assert not re.search(r"url\(\s*[\"']?http|(?:href|src)=[\"']http|@import|<script", svg)


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small_and_shown(path):
    """A page of docs/ or the README shows it."""
    assert path.stat().st_size < LARGEST
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    assert any(f"pictures/{path.name})" in page.read_text(encoding="utf-8") for page in pages)
