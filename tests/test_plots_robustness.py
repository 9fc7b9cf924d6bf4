"""Plots of robustness: what stands in them is what was measured."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from trustlib import corruptions, plots, robustness, text_perturbations


def two(p):
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p])


def bright(batch):
    return two(np.clip(np.asarray(batch, dtype=float).mean(axis=(1, 2, 3)) * 3 - 1, 0, 1))


IMAGES = 0.5 + np.linspace(-0.15, 0.15, 30)[:, None, None, None] * np.ones((30, 2, 2, 3))
NOISE = robustness.noise(bright, IMAGES, sigmas=[0.3, 0.001, 0.1], threshold=0.2, rounded=False)
STEPS = robustness.noise_steps(bright, np.full((4, 4, 3), 0.52), sigmas=[0, 0.1, 0.9], rounded=False)
CORRUPTED = robustness.corruptions(
    lambda batch: bright(np.asarray(batch) / 255),
    IMAGES,
    np.arange(30) // 15,
    names=["fog", "brightness", "jpeg"],
    severities=[1, 5],
)
FLIPS = robustness.texts(
    lambda batch: two([float("good" in text) for text in batch]),
    ["good film", "a good play", "so bad"],
    perturbations=text_perturbations.ALL[:4],
    severities=[1, 0.2],
)
PICTURE = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)


def title(ax):
    return ax.get_title(loc="left")


def test_noise_draws_rates_marks_by_verdict_and_the_threshold():
    ax = plots.noise(NOISE)
    levels = sorted(NOISE.levels, key=lambda level: level.sigma)
    np.testing.assert_allclose(
        ax.lines[0].get_xydata(), [[level.sigma, level.flip_rate.value] for level in levels]
    )
    segments = [segment[:, 1] for segment in ax.collections[0].get_segments()]
    np.testing.assert_allclose(segments, [[level.flip_rate.low, level.flip_rate.high] for level in levels])
    marks = {line.get_label(): line for line in ax.lines if line.get_marker() not in ("None", "")}
    for verdict in {level.verdict for level in levels}:
        shown = [level.sigma for level in levels if level.verdict == verdict]
        assert list(marks[verdict].get_xdata()) == shown
    assert len({line.get_marker() for line in marks.values()}) == len(marks)
    assert [level.verdict == "robust" for level in levels] == [True, True, False]
    assert list(ax.lines[-1].get_ydata()) == [0.2, 0.2]
    assert title(ax) == "Shown robust up to σ = 0.1."
    assert title(plots.noise(NOISE, title="Mine.")) == "Mine."


def test_where_no_level_is_shown_robust_the_title_says_so():
    few = robustness.noise(bright, IMAGES[:3], sigmas=[0.001], threshold=0.01, rounded=False)
    assert title(plots.noise(few)) == "Shown robust at no σ tried."


def test_noise_changes_draws_the_quantiles():
    ax = plots.noise_changes(NOISE)
    levels = sorted(NOISE.levels, key=lambda level: level.sigma)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [level.quantiles[0.5].value for level in levels])
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(min(level.quantiles[0.05].value for level in levels))
    assert title(ax) == f"At σ = 0.3 the clean answer's probability changes by {levels[-1].change}."


def test_the_strip_shows_each_picture_with_the_probability_beneath_and_frames_flips():
    figure = plots.noise_strip(STEPS, classes=("dark", "light"))
    assert len(figure.axes) == 3
    for i, ax in enumerate(figure.axes):
        np.testing.assert_array_equal(ax.images[0].get_array(), STEPS.pictures[i])
        flips = STEPS.probs[i, 1] <= 0.5
        assert ax.get_xlabel().startswith(f"light\n{STEPS.probs[i, 1]:.2f}")
        assert ("flips: dark" in ax.get_xlabel()) == flips == (ax.spines["left"].get_linewidth() == 3)
    with pytest.raises(ValueError, match="2 different class names"):
        plots.noise_strip(STEPS, classes=("dark",))


def test_corruptions_have_a_panel_for_each_family_and_a_line_for_each_corruption():
    figure = plots.corruptions(CORRUPTED)
    weather, digital = figure.axes
    assert (weather.get_ylabel(), digital.get_ylabel()) == ("weather", "digital")
    lines = {line.get_label(): line for line in weather.lines[1:]}
    assert list(lines) == ["brightness", "fog"] or list(lines) == ["fog", "brightness"]
    for name, line in lines.items():
        np.testing.assert_allclose(line.get_ydata(), [each.value for each in CORRUPTED.accuracy[name]])
        np.testing.assert_allclose(line.get_xdata(), [1, 5], atol=0.2)
    assert len({line.get_linestyle() for line in lines.values()}) == 2
    assert list(weather.lines[0].get_ydata()) == [CORRUPTED.clean.value] * 2
    assert "clean" in figure.get_suptitle()


def test_the_sheet_shows_every_corruption_of_the_picture():
    figure = plots.corruption_sheet(PICTURE, severity=2, seed=3)
    shown = {ax.get_title(loc="center"): ax.images[0].get_array() for ax in figure.axes if ax.images}
    assert len(shown) == 19
    np.testing.assert_array_equal(shown["original"], PICTURE)
    for name in corruptions.NAMES:
        np.testing.assert_array_equal(
            shown[name.replace("_", " ")], corruptions.corrupt(PICTURE, name, 2, seed=3)
        )


def test_severities_stand_from_left_to_right():
    figure = plots.corruption_severities(PICTURE, names=["frost"], severities=[1, 5])
    for ax, severity in zip(figure.axes, (1, 5), strict=True):
        np.testing.assert_array_equal(
            ax.images[0].get_array(), corruptions.corrupt(PICTURE, "frost", severity, seed=0)
        )
    assert figure.axes[0].texts[0].get_text() == "frost"
    assert len([ax for ax in plots.corruption_severities(PICTURE).axes if ax.images]) == 20


def test_text_flips_have_a_panel_for_each_perturbation():
    figure = plots.text_flips(FLIPS)
    panels = [ax for ax in figure.axes if ax.lines]
    assert [title(ax) for ax in panels] == [name.replace("_", " ") for name in FLIPS.flip_rate]
    for ax, rates in zip(panels, FLIPS.flip_rate.values(), strict=True):
        np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0.2, rates[1].value], [1, rates[0].value]])
    worst = max(FLIPS.flip_rate, key=lambda name: FLIPS.flip_rate[name][0].value)
    rate = FLIPS.flip_rate[worst][0]
    assert figure.get_suptitle() == f"Most flips at 100% of the words: {worst.replace('_', ' ')}, {rate:.0%}."


def test_every_plot_is_small_and_leaves_no_figure_open():
    before, settings = plt.get_fignums(), dict(matplotlib.rcParams)
    drawn = [
        plots.noise(NOISE),
        plots.noise_changes(NOISE),
        plots.noise_strip(STEPS, classes=("dark", "light")),
        plots.corruptions(CORRUPTED),
        plots.text_flips(FLIPS),
    ]
    assert all(len(plots.png(each)) < 60_000 for each in drawn)
    assert plt.get_fignums() == before
    assert dict(matplotlib.rcParams) == settings
