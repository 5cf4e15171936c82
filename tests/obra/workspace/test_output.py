"""Kept output: exact when it fits, head and tail when it does not."""

from hypothesis import given
from hypothesis import strategies as st

from obra.workspace.output import KeptOutput


@given(st.lists(st.text()), st.integers(0, 300))
def test_length_never_exceeds_the_limit(parts, limit):
    """Short text is kept exactly, longer text within the limit from its true head and tail."""
    kept = KeptOutput(limit)
    for part in parts:
        kept.take(part.encode("utf-8", errors="replace"))
    whole = "".join(parts).encode("utf-8", errors="replace").decode()
    text = kept.text()
    if len(whole) <= limit:
        assert text == whole
    else:
        assert len(text) <= limit
        before, note, after = text.partition("\n[... ")
        assert whole.startswith(before)
        if note:
            tail = after.partition(" ...]\n")[2]
            assert whole.endswith(tail)
            assert abs(len(before) - len(tail)) <= 1


@given(st.binary(max_size=4000), st.integers(0, 200), st.integers(1, 700))
def test_any_bytes_in_any_portions(data, limit, portion):
    """Bytes that are no text, cut anywhere, never raise and never exceed the limit."""
    kept = KeptOutput(limit)
    for at in range(0, len(data), portion):
        kept.take(data[at : at + portion])
    assert len(kept.text()) <= limit


def test_memory_is_bounded():
    """Many chunks leave no more than a few times the limit and a chunk."""
    kept = KeptOutput(1000)
    for _ in range(1000):
        kept.take(b"x" * 65536)
    assert len(kept._head) + len(kept._tail) < 4 * 65536
    assert f"{1000 * 65536} bytes in all" in kept.text()
