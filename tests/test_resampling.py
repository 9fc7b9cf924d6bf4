import numpy as np
import pytest
from scipy import sparse

from trustlib import resampling


def test_units_and_counts_are_resampled_alike():
    # Three rows, the last one ten times: as a row with a count of 10, or as ten rows.
    table = np.array([[1.0, 0.0], [0.0, 5.0], [2.0, 1.0]])
    short = resampling.resampled_sums(
        table, np.array([1, 1, 10]), rng=np.random.default_rng(0), n_draws=20_000
    )
    long = resampling.resampled_units(
        np.repeat(table, [1, 1, 10], axis=0), rng=np.random.default_rng(1), n_draws=20_000
    )
    assert short.mean(axis=0) == pytest.approx([21, 15], rel=0.02)
    assert long.mean(axis=0) == pytest.approx([21, 15], rel=0.02)
    np.testing.assert_allclose(np.cov(short.T), np.cov(long.T), rtol=0.05)


def test_units_may_be_sparse_and_are_drawn_in_pieces(monkeypatch):
    table = np.eye(40)[:, :3]
    whole = resampling.resampled_units(table, rng=np.random.default_rng(0), n_draws=500)
    spread = resampling.resampled_units(sparse.csr_array(table), rng=np.random.default_rng(0), n_draws=500)
    np.testing.assert_array_equal(whole, spread)
    monkeypatch.setattr(resampling, "CHUNK", 100)
    pieces = resampling.resampled_units(table, rng=np.random.default_rng(0), n_draws=500)
    assert pieces.shape == whole.shape
    assert pieces.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.2)


def test_sums_of_groups_by_hand():
    columns, codes = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]]), np.array([1, 0, 1])
    np.testing.assert_array_equal(resampling.group_sums(columns, codes), [[2, 20], [5, 50]])
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(resampling.unit_table(columns, codes, rng), [[2, 20], [5, 50]])
    assert resampling.unit_table(columns, None, rng) is columns


@pytest.mark.parametrize("grouped", [False, True])
def test_many_units_are_joined_and_nothing_is_lost(grouped):
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(50_003, 2))
    table = resampling.unit_table(columns, np.arange(50_003) // 2 if grouped else None, rng)
    assert len(table) == resampling.MOST_UNITS
    np.testing.assert_allclose(table.sum(axis=0), columns.sum(axis=0))


def test_the_samples_of_a_group_stay_in_one_team():
    codes = np.random.default_rng(0).integers(0, 30_000, size=90_000)
    codes = np.unique(codes, return_inverse=True)[1]
    team = resampling.teams(codes, np.random.default_rng(1))
    assert team.max() == resampling.MOST_UNITS - 1
    assert len(np.unique(np.stack([codes, team]), axis=1).T) == codes.max() + 1


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(12), [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 4])])
def test_errors_of_draws_agree_with_those_of_the_rows_drawn(groups):
    # The same draws, made one by one from rows: multiplicities from a fixed generator.
    values = np.random.default_rng(5).exponential(size=40)
    error, above, errors = resampling.mean_errors(values, groups, np.random.default_rng(0), 50)
    m = 40 if groups is None else 12
    picks = np.random.default_rng(0).integers(m, size=(50, m))
    codes = np.arange(40) if groups is None else groups
    for i, pick in enumerate(picks):
        rows = np.concatenate([np.flatnonzero(codes == unit) for unit in pick])
        copy = np.concatenate([[j] * (codes == unit).sum() for j, unit in enumerate(pick)])
        drawn = values[rows]
        assert above[i] == pytest.approx(drawn.mean() - values.mean())
        residuals = np.bincount(copy, weights=drawn - drawn.mean())
        assert errors[i] == pytest.approx(np.sqrt((residuals**2).sum() * m / (m - 1)) / len(drawn))
    if groups is None:
        assert error == pytest.approx(values.std(ddof=1) / np.sqrt(40))


def test_signed_sums_take_every_sign_alike():
    sums = resampling.signed_sums(np.array([1.0, 2.0]), rng=np.random.default_rng(0), n_draws=8000)
    values, counts = np.unique(sums, return_counts=True)
    assert values.tolist() == [-3, -1, 1, 3]
    assert counts == pytest.approx([2000] * 4, rel=0.1)
