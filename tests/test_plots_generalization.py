import numpy as np
import pytest

from trustlib import plots
from trustlib.estimates import Estimate


def estimates(*values):
    return [Estimate(value, value - 0.1, value + 0.2, 50) for value in values]


def test_a_curve_has_its_values_and_its_intervals():
    ax = plots.curves([10, 100, 1000], {"test": estimates(0.5, 0.3, 0.2)}, xlabel="samples", ylabel="loss")
    line = ax.lines[0]
    assert line.get_xdata().tolist() == [10, 100, 1000]
    assert line.get_ydata().tolist() == [0.5, 0.3, 0.2]
    spans = [np.asarray(collection.get_segments()[0])[:, 1].tolist() for collection in ax.collections]
    np.testing.assert_allclose(spans, [[0.4, 0.7], [0.2, 0.5], [0.1, 0.4]])
    assert ax.get_legend() is None


def test_plain_numbers_have_no_interval_and_two_curves_a_legend():
    drawn = {"train": [1.0, 0.5], "test": [1.1, 0.9]}
    ax = plots.curves([1, 2], drawn, xlabel="epoch", ylabel="loss", title="The gap opens.")
    assert not ax.collections and ax.get_title(loc="left") == "The gap opens."
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train", "test"]
    styles = {(line.get_linestyle(), line.get_marker()) for line in ax.lines}
    assert len(styles) == 2  # nothing is told by colour alone


@pytest.mark.parametrize("logarithmic", [False, True])
def test_few_sizes_have_a_mark_each(logarithmic):
    ax = plots.curves([30, 1078], {"a": [1, 2]}, xlabel="samples", ylabel="loss", logarithmic=logarithmic)
    assert ax.get_xscale() == ("log" if logarithmic else "linear")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["30", "1,078"]
    many = plots.curves(range(1, 61), {"a": range(60)}, xlabel="epoch", ylabel="loss")
    assert len(many.get_xticks()) < 15


def test_curves_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="expected 2 numbers in 'a', one a size, got 3"):
        plots.curves([1, 2], {"a": [1, 2, 3]}, xlabel="x", ylabel="y")
    with pytest.raises(ValueError, match="expected 1 to 4 curves, got 0"):
        plots.curves([1, 2], {}, xlabel="x", ylabel="y")


def test_outlines_are_shares_of_each_group():
    ax = plots.confidences({"own": [0.95, 0.95, 0.55, 0.99], "strangers": [0.5, 0.6]})
    outlines = [patch.get_data() for patch in ax.patches]
    assert [outline.values.sum() for outline in outlines] == pytest.approx([1, 1])
    assert outlines[0].edges[0] == pytest.approx(0.5) and outlines[0].edges[-1] == 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["own (4)", "strangers (2)"]
    assert len({patch.get_linestyle() for patch in ax.patches}) == 2


def test_certain_samples_and_wrong_numbers():
    ax = plots.confidences({"own": [1.0, 1.0]})
    assert ax.patches[0].get_data().values[-1] == 1
    with pytest.raises(ValueError, match=r"confidences in \[0, 1\], got -1 to 0.5 in 'own'"):
        plots.confidences({"own": [-1, 0.5]})
    with pytest.raises(ValueError, match="expected 1 to 4 groups, got 5"):
        plots.confidences({str(i): [0.5] for i in range(5)})
