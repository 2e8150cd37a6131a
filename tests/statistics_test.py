import numpy as np
import pytest

from dscl_tf import statistics


def test_spread_by_hand():
    found = statistics.spread([1.0, 2.0, 6.0])
    assert (found.n, found.mean) == (3, 3)
    assert found.std == pytest.approx(7**0.5)  # (4 + 1 + 9) / 2.
    assert statistics.spread([2.0]).std is None
    assert statistics.spread([]) is None


def test_difference_by_hand():
    found = statistics.difference([3.0, 5.0], [1.0, 4.0])
    assert (found.n, found.mean, found.low) == (2, 1.5, None)
    mixed = statistics.difference([3.0, 5.0, 1.0], [1.0, 5.0, 2.0])
    assert mixed.num_above == 1  # Equal is not above.
    same = statistics.difference([2.0] * 4, [1.0] * 4)
    assert (same.low, same.high) == (1, 1)
    assert statistics.difference([], []) is None


def test_interval_covers_as_often_as_it_says():
    # Of means of 30 normal values; six draws have less than what is nominal.
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        found = statistics.difference(rng.normal(1, 1, 30), np.zeros(30))
        covered += found.low <= 1 <= found.high
    assert 85 <= covered <= 100


def test_differences_have_the_interval_of_a_mean():
    values = [0.1, 0.4, -0.2, 0.3]
    found = statistics.difference(values, [0.0] * 4)
    expected = _interval([values], range(4))
    assert (found.low, found.high) == pytest.approx(expected)


NAN = np.nan


def _interval(columns, groups):
    return statistics.mean_interval(np.transpose(columns).astype(float), groups)


def test_groups_are_drawn_and_not_rows():
    # A patient of many scans counts once when patients are drawn: the interval is that
    # of three scans, weighted. With rows drawn, it would be narrower.
    values, groups = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2], "aaaabbbbcccc"
    assert _interval([values], groups) == _interval([[0, 1, 2]], "abc") == (0, 2)
    low, high = _interval([values], range(12))
    assert 0 < low < 1 < high < 2


def test_mean_of_a_draw_is_over_its_values():
    # Against a loop over resamples, with groups of unequal size and values missing.
    groups = list("aabccd")
    columns = [[1, 2, 5, NAN, 3, 9], [4, NAN, 1, 2, NAN, 7]]
    rng = np.random.default_rng(statistics.SEED)
    rows = rng.integers(4, size=(statistics.RESAMPLES, 4))
    found = []
    for row in rows:
        members = [k for g in row for k, name in enumerate(groups) if name == "abcd"[g]]
        drawn = [[column[k] for k in members] for column in columns]
        known = [[it for it in column if it == it] for column in drawn]
        means = [sum(column) / len(column) for column in known if column]
        found.append(sum(means) / len(means))
    expected = np.percentile(found, [2.5, 97.5])
    assert _interval(columns, groups) == pytest.approx(tuple(expected))


@pytest.mark.parametrize(
    "columns, groups",
    [
        ([[1, 2]], "ab"),
        ([[1, 2, 3, 4]], "aabb"),
        ([[1, 2, NAN]], "abc"),
        ([[1, 2, 3], [1, 2, NAN]], "abc"),
        ([[NAN, NAN, NAN]], "abc"),
        ([[]], ""),
    ],
)
def test_too_few_groups_have_no_interval(columns, groups):
    assert _interval(columns, groups) is None


def test_a_column_without_values_is_left_out():
    column = [1, 2, 4, 8]
    assert _interval([column, [NAN] * 4], "abcd") == _interval([column], "abcd")
