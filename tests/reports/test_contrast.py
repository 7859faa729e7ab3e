"""Comparisons of two settings over several targets."""

from reports.contrast import averaged
from reports.methods import Measured


def test_targets_with_different_seeds_are_averaged_over_those_that_all_have() -> None:
    some, more = Measured({0: 0.010, 1: 0.012}), Measured({0: 0.020, 1: 0.022, 2: 0.9})
    mean = averaged([some, more])
    assert [*mean.of_seeds] == [0, 1]
    assert round(mean.mean, 6) == 0.016


def test_where_no_spread_over_seeds_is_known_none_is_claimed() -> None:
    one, other = Measured({0: 0.01}), Measured({1: 0.02})
    assert averaged([one, other]).spread is None
    assert averaged([one, one]).spread is None
