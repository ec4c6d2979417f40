"""The time left, divided: nobody further down the route pays for a wait, no call for its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core.routing.load.gate import PATIENCE
from argus_core.routing.load.shares import Share

seconds = st.floats(0.001, 3600)
nodes = st.integers(1, 50)


def share(left, here, later=0):
    return Share(left=left, here=here, later=later)


@pytest.mark.parametrize(
    ("here", "later", "node", "pool"), [(1, 0, 6, 6), (1, 2, 2, 2), (4, 0, 1.5, 6), (4, 2, 1, 4)]
)
def test_each_node_has_an_equal_part_and_a_pool_that_of_its_nodes(here, later, node, pool):
    it = share(6, here, later)
    assert (it.node, it.pool) == pytest.approx((node, pool))


def test_without_a_wait_a_call_has_the_share_of_a_node():
    it = share(6, 3, 2)
    assert it.call(it) == it.node


@given(left=seconds, here=nodes, later=st.integers(0, 50), part=st.floats(0, 1))
def test_a_wait_costs_neither_the_call_nor_the_nodes_further_down(left, here, later, part):
    before = share(left, here, later)
    waited = part * PATIENCE * before.pool
    now = share(left - waited, here, later)
    call = now.call(before)
    least = 1.0 if here > 1 else PATIENCE
    assert call >= least * before.node * 0.999999
    assert left - waited - call >= now.node * later * 0.999999


@given(left=seconds, here=nodes, now_here=nodes, later=st.integers(0, 50), gone=st.floats(0, 1))
def test_whoever_else_is_there_after_a_wait_a_call_ends_in_time(left, here, now_here, later, gone):
    now = share(left * gone, now_here, later)
    assert 0 <= now.call(share(left, here, later)) <= now.pool * 1.000001
