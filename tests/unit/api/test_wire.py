"""Numbers as JSON has them."""

import orjson
import pytest

from argus_api.wire import count


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "null"), (0.0, "0"), (1200.0, "1200"), (0.5, "0.5"), (2.0**53, str(2**53))],
)
def test_whole_numbers_are_told_without_a_fraction(value, told):
    assert orjson.dumps(count(value)).decode() == told


@pytest.mark.parametrize("value", [1e19, 1e25, -1e25])
def test_what_no_reader_takes_for_a_whole_number_is_told_as_what_it_is(value):
    assert orjson.loads(orjson.dumps(count(value))) == value
