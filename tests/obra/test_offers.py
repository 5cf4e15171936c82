from __future__ import annotations

import pytest

from obra.offers import asks_permission, outlives_us, plays_reviews
from obra.plugins import AsksPermission, OutlivesUs, PlaysReviews

NAMES = ["on_permission", "handle", "take_up", "rehearse"]


@pytest.mark.parametrize("lacks", [None, *NAMES])
@pytest.mark.parametrize(
    ("told", "protocol"),
    [(asks_permission, AsksPermission), (outlives_us, OutlivesUs), (plays_reviews, PlaysReviews)],
)
def test_it_tells_what_isinstance_tells(told, protocol, lacks) -> None:
    """Of one that has everything, of one that lacks something, and of one that has nothing."""
    one = type("One", (), {name: lambda _self: None for name in NAMES if name != lacks})()
    assert told(one) is isinstance(one, protocol)
    assert told(object()) is isinstance(object(), protocol) is False


@pytest.mark.parametrize("protocol", [AsksPermission, OutlivesUs, PlaysReviews])
def test_every_name_of_a_protocol_is_asked_for(protocol) -> None:
    """A name that is added to one of these protocols has to be added to what is told."""
    own = {name for name in {*vars(protocol), *protocol.__annotations__} if not name.startswith("_")}
    assert own <= set(NAMES)
