import re

from hypothesis import given
from hypothesis import strategies as st

from obra.prompting.context_manager import ContextItem, ContextManager, cut_middle
from obra.prompting.token_counter import TokenCounter

ITEMS = st.lists(
    st.builds(
        ContextItem,
        title=st.text(max_size=8),
        text=st.text(max_size=400),
        must_keep=st.booleans(),
        priority=st.integers(0, 3),
        divisible=st.booleans(),
    ),
    max_size=8,
)


def total(items):
    """Tokens of all items as they stand in a prompt."""
    return TokenCounter().count("".join(item.render() for item in items))


@given(ITEMS, st.integers(0, 400))
def test_never_over_budget_but_for_what_must_be_kept(items, budget):
    """The chosen parts fit, or nothing but the must-keep parts is there."""
    chosen = ContextManager(budget, TokenCounter()).select(items)
    assert total(chosen) <= budget or all(item.must_keep for item in chosen)


@given(ITEMS, st.integers(0, 400))
def test_must_keep_parts_are_whole_and_in_order(items, budget):
    """What must be kept is there, unchanged and in the order it was given."""
    chosen = ContextManager(budget).select(items)
    assert [item for item in chosen if item.must_keep] == [item for item in items if item.must_keep]


@given(ITEMS, st.integers(0, 400))
def test_order_is_kept_and_only_divisible_parts_change(items, budget):
    """The chosen parts come in the given order, each as it was unless it may be cut."""
    remaining = iter(items)
    for found in ContextManager(budget).select(items):
        whole = next(item for item in remaining if item == found or (item.divisible and _cut_from(found, item)))
        assert whole.title == found.title


def _cut_from(found, item):
    mark = re.search(r"\n\[\.\.\. (\d+) characters left out here \.\.\.\]\n", found.text)
    if not mark or found.title != item.title:
        return False
    head, tail = found.text[: mark.start()], found.text[mark.end() :]
    missing = int(mark.group(1))
    return (
        item.text.startswith(head)
        and item.text.endswith(tail)
        and len(head) + len(tail) + missing == len(item.text)
    )


def test_priority_decides_who_gets_the_room():
    """With room for one of two, the one with the higher priority is chosen, wherever it stands."""
    low = ContextItem(title="low", text="x" * 60, priority=1)
    high = ContextItem(title="high", text="y" * 60, priority=2)
    assert ContextManager(30).select([low, high]) == (high,)
    assert ContextManager(60).select([low, high]) == (low, high)


def test_a_smaller_part_uses_the_room_a_bigger_one_leaves():
    """A part that does not fit does not keep out a later one that does."""
    big = ContextItem(title="big", text="x" * 600, priority=2)
    small = ContextItem(title="small", text="y", priority=1)
    assert ContextManager(20).select([big, small]) == (small,)


def test_a_divisible_part_is_cut_in_its_middle():
    """Both ends survive, and the mark says how much is gone."""
    item = ContextItem(title="log", text="HEAD" + "." * 1000 + "TAIL", divisible=True)
    (found,) = ContextManager(50).select([item])
    assert found.text.startswith("HEAD")
    assert found.text.endswith("TAIL")
    assert _cut_from(found, item)


def test_no_room_for_even_a_mark():
    """A divisible part of which nothing fits is left out."""
    assert ContextManager(5).select([ContextItem(title="t", text="x" * 99, divisible=True)]) == ()


def test_cutting_to_a_single_character():
    """An odd number of kept characters gives the extra one to the head."""
    assert cut_middle("abc", 1) == "a\n[... 2 characters left out here ...]\n"
    assert cut_middle("abc", 3) == "abc"
