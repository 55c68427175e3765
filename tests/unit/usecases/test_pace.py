"""A content that keeps the time is otherwise the content it holds."""

import pytest

from shared.domain.errors import DeadlineExceeded
from shared.domain.objects import Attributes
from shared.usecases.pace import MARGIN_SECONDS, Punctual
from tests.model.bucket import Content, Until
from tests.model.world import World


@pytest.fixture
def content() -> Content:
    world = World()
    world.tenant()
    world.put("k", b"0123456789", attributes=Attributes(content_type="text/plain"))
    with world.stores.buckets["primary"].open("k") as opened:
        return opened.content


def test_it_shows_all_that_the_content_shows(content):
    content.inside, content.fetchable = lambda: "inside", lambda: "fetchable"
    punctual = Punctual(content, Until())
    assert (punctual.size, punctual.attributes, punctual.checksums, punctual.ranged) == (
        10, content.attributes, content.checksums, True,
    )  # fmt: skip
    assert (punctual.inside(), punctual.fetchable()) == ("inside", "fetchable")
    assert punctual.read(2, 3) == b"234"
    assert list(punctual.stream(4)) == [b"0123", b"4567", b"89"]


def test_it_stops_a_read_and_a_stream_in_time_to_clean_up(content):
    deadline = Until()
    punctual = Punctual(content, deadline)
    pieces = punctual.stream(4)
    assert next(pieces) == b"0123"
    deadline.left = MARGIN_SECONDS
    with pytest.raises(DeadlineExceeded):
        next(pieces)
    with pytest.raises(DeadlineExceeded):
        punctual.read(0, 1)


@pytest.mark.parametrize("ask", ["inside", "fetchable"])
def test_it_offers_nothing_to_a_store_that_would_still_be_copying_when_the_time_is_over(content, ask):
    deadline = Until()
    punctual = Punctual(content, deadline)
    deadline.left = MARGIN_SECONDS
    with pytest.raises(DeadlineExceeded):
        getattr(punctual, ask)()
