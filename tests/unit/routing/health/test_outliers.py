"""How many nodes of a pool may be out."""

from hypothesis import given
from hypothesis import strategies as st

from argus_core.routing.health.outliers import may_pass_over

SIZES = st.integers(1, 20)


@given(SIZES, st.data())
def test_never_more_than_half_and_never_the_last_where_nobody_else_can_answer(nodes, data):
    well = data.draw(st.integers(0, nodes))
    out = nodes - well
    if out and may_pass_over(well=well, nodes=nodes, elsewhere=False):
        assert out <= nodes / 2
        assert well >= 1


def test_half_of_a_pool_is_enough():
    assert may_pass_over(well=1, nodes=2, elsewhere=False)
    assert not may_pass_over(well=1, nodes=3, elsewhere=False)
    assert not may_pass_over(well=0, nodes=1, elsewhere=False)


@given(SIZES)
def test_a_later_pool_that_can_answer_spares_all_of_this_one(nodes):
    assert may_pass_over(well=0, nodes=nodes, elsewhere=True)
