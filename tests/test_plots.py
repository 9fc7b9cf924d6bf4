import base64
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from PIL import Image

from trustlib import accuracy, plots
from trustlib.estimates import Estimate, proportion
from trustlib.plots.figure import compact

RUN = SimpleNamespace(
    train_loss=np.array([0.6, 0.4, 0.3]),
    validation_loss=np.array([0.5, 0.42, 0.45]),
    validation_accuracy=np.array([0.76, 0.83, 0.82]),
    best_epoch=1,
)
SCORES = accuracy.evaluate(np.eye(2)[[0, 0, 1, 1, 1]], [0, 0, 0, 1, 1], classes=("intact", "cracked"))
BOTH = {"head": proportion(70, 100), "all": proportion(90, 100)}


def texts(ax):
    return [text.get_text() for text in ax.texts]


def opened(data):
    return Image.open(io.BytesIO(data))


def test_history_draws_every_epoch_and_marks_the_best():
    ax = plots.history(RUN)
    right = ax.figure.axes[-1]
    training, validation, mark = ax.lines
    np.testing.assert_array_equal(training.get_ydata(), RUN.train_loss)
    np.testing.assert_array_equal(validation.get_xydata(), [[1, 0.5], [2, 0.42], [3, 0.45]])
    np.testing.assert_array_equal(mark.get_xydata(), [[2, 0.42]])
    np.testing.assert_array_equal(right.lines[-1].get_xydata(), [[2, 0.83]])
    assert ax.get_title(loc="left") == "Epoch 2 of 3 has the lowest loss."
    assert right.get_title(loc="left") == "Its accuracy is 0.830."
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss (nats)")


def test_history_shares_the_place_of_a_given_axes():
    figure, axes = plt.subplots(2)
    try:
        assert plots.history(RUN, ax=axes[0]) is axes[0]
        figure.draw_without_rendering()
        left, right, below = (ax.get_position() for ax in (axes[0], figure.axes[-1], axes[1]))
        assert left.x1 < right.x0
        assert right.x1 == pytest.approx(below.x1)
        assert right.y0 > below.y1
    finally:
        plt.close(figure)


def test_estimates_stand_from_top_to_bottom_with_their_numbers():
    ax = plots.estimates(BOTH, xlabel="accuracy", reference=0.5, title="All is better.")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["head", "all"]
    assert texts(ax) == ["0.700 [0.604, 0.781]", "0.900 [0.826, 0.945]"]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [BOTH["head"].low, BOTH["head"].high])
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[0.7, 0]])
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first one on top
    assert list(ax.lines[-1].get_xdata()) == [0.5, 0.5]
    assert ax.get_xlabel() == "accuracy; lines are 95% intervals"
    assert ax.get_title(loc="left") == "All is better."


def test_estimates_of_several_levels_say_so():
    ax = plots.estimates({"a": Estimate(0, -1, 1, 5, 0.8), "b": Estimate(0, -1, 1, 5)}, xlabel="loss (nats)")
    assert ax.get_xlabel() == "loss (nats); lines are 80% or 95% intervals"


@pytest.mark.parametrize("limits", [(0.848, 1.046), (0.529, 0.569), (0.0, 1.0), (-0.016, 0.067)])
def test_numbers_below_estimates_stand_apart_beside_long_names(limits):
    ax = plots.estimates({"fewer than 10 words (n = 315)": BOTH["head"]}, xlabel="accuracy")
    ax.set_xlim(limits)
    ax.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
    gaps = [right.x0 - left.x1 for left, right in zip(boxes, boxes[1:], strict=False)]
    assert len(boxes) >= 3
    assert min(gaps) > 1.5 * boxes[0].height


def test_confusion_writes_counts_and_shares_of_the_true_class():
    ax = plots.confusion(SCORES)
    assert texts(ax) == ["2\n67%", "1\n33%", "0\n0%", "2\n100%"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["intact", "cracked"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("answered", "true")
    assert ax.get_title(loc="left") == "4 of 5 answers are right."


def test_confusion_of_a_class_without_samples_draws():
    ax = plots.confusion(accuracy.evaluate(np.eye(3)[[0, 1]], [0, 1]))
    assert texts(ax)[-3:] == ["0\n0%"] * 3


def test_confusion_of_many_classes_is_shaded_only():
    ax = plots.confusion(accuracy.evaluate(np.eye(20), np.arange(20)))
    assert texts(ax) == []


def test_images_are_laid_out_in_rows():
    pictures = [np.zeros((8, 8), np.uint8), np.ones((8, 6, 3)), np.full((8, 8, 3), 255, np.uint8)]
    figure = plots.images(pictures, titles=["a", "b", "c"], columns=2)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 4
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "c", ""]
    assert [len(ax.images) for ax in figure.axes] == [1, 1, 1, 0]


def test_one_grey_level_looks_the_same_in_every_picture():
    # Without fixed limits a picture that is all dark would be stretched to white.
    figure = plots.images([np.full((8, 8), 100, np.uint8), np.full((8, 8), 100 / 255)])
    colours = opened(plots.png(figure)).convert("RGB").getcolors()
    assert (100, 100, 100) in [colour for count, colour in colours if count > 1000]


def test_human_doubt_counts_where_people_disagree():
    shares = np.array([0, 0, 0, 1 / 3, 2 / 3, 1, 1, 1, np.nan])
    ax = plots.human_doubt(shares, xlabel="probability of a defect")
    drawn = {round(bar.get_center()[0], 3): bar.get_height() for bar in ax.patches}
    assert drawn == {0.0: 3, 0.333: 1, 0.667: 1, 1.0: 3}
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [False, False, True, True]
    assert ax.get_title(loc="left") == "People are less than 80% sure of 25.0% of 8 samples (hatched)."
    assert ax.get_xlabel() == "probability of a defect"


def test_human_doubt_of_many_shares_is_a_histogram():
    shares = np.random.default_rng(0).uniform(size=500)
    ax = plots.human_doubt(shares, xlabel="share", agree=0.9)
    assert len(ax.patches) == 20
    assert sum(bar.get_height() for bar in ax.patches) == 500
    hatched = sorted(round(bar.get_center()[0], 3) for bar in ax.patches if bar.get_hatch())
    assert (hatched[0], hatched[-1]) == (0.125, 0.875)


def test_human_doubt_stacks_sure_and_unsure_samples_of_one_bar():
    # 3 of 15 and 12 of 15 agree to 80 %; 6 of 29 and 23 of 29 fall between the same edges and do not.
    shares = np.array([3 / 15, 6 / 29, 12 / 15, 23 / 29, 0, 1, 0.5, 0.4, 0.3])
    ax = plots.human_doubt(shares, xlabel="share", ylabel="reviews", title="Some are split.")
    drawn = {
        (round(b.get_x(), 4), b.get_y(), bool(b.get_hatch())) for b in ax.patches if 0.2 < b.get_x() < 0.25
    }
    assert drawn == {(0.2025, 0, False), (0.2025, 1, True)}
    assert sum(bar.get_height() for bar in ax.patches if bar.get_hatch()) == 5
    assert (ax.get_title(loc="left"), ax.get_ylabel()) == ("Some are split.", "reviews")


def test_texts_show_the_share_as_a_bar_and_in_words():
    shown = plots.texts(
        ["Good.", "<b>Bad</b> & sad"], [1, 0.25], classes=("negative", "po<s"), raters=[15, 4]
    )
    assert repr(shown) == (
        "100% of 15 say po<s, 0% negative: Good.\n25% of 4 say po<s, 75% negative: <b>Bad</b> & sad"
    )
    page = shown._repr_html_()
    assert page.count("width: 100%") == 1 and page.count("width: 25%") == 1
    assert "<b>" not in page and "&lt;b&gt;Bad&lt;/b&gt; &amp; sad" in page and "say po&lt;s" in page
    assert "script" not in page


def test_texts_without_raters_say_only_shares():
    assert repr(plots.texts(["Good."], [0.5], classes=("no", "yes"))) == "50% say yes, 50% no: Good."


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.estimates({}, xlabel="accuracy"), "at least one estimate"),
        (lambda: plots.texts(["a"], [0.5, 0.5], classes=("no", "yes")), r"shares of shape \(2,\)"),
        (lambda: plots.texts(["a"], [1.5], classes=("no", "yes")), r"share in \[0, 1\]"),
        (lambda: plots.texts(["a"], [0.5], classes=("no",)), "got 1 classes"),
        (lambda: plots.texts(["a"], [0.5], classes=("no", "yes"), raters=[3, 4]), "2 raters"),
        (lambda: plots.images([]), "expected pictures"),
        (lambda: plots.images([np.zeros((2, 2))], titles=["a", "b"]), "got 1 and 2"),
        (lambda: plots.images([np.zeros((2, 2))], columns=0), "expected columns"),
        (lambda: plots.human_doubt([0.5, 2], xlabel="x"), r"in \[0, 1\]"),
        (lambda: plots.human_doubt([np.nan], xlabel="x"), r"in \[0, 1\]"),
        (lambda: plots.human_doubt(np.ones((3, 2)) / 2, xlabel="x"), "one column"),
        (lambda: plots.show(Figure(), ""), "expected alternative text, got ''"),
        (lambda: plots.show(Figure(), "  \n"), "expected alternative text"),
        (lambda: plots.show(Figure(), None), "expected alternative text, got None"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def drawings():
    return [
        plots.history(RUN),
        plots.estimates(BOTH, xlabel="accuracy"),
        plots.confusion(SCORES),
        plots.human_doubt([0, 0.5, 1], xlabel="share"),
    ]


def test_every_plot_draws_into_a_given_axes_and_leaves_no_figure_open():
    before, settings = plt.get_fignums(), dict(matplotlib.rcParams)
    assert all(isinstance(ax, Axes) for ax in drawings())
    assert plt.get_fignums() == before
    assert dict(matplotlib.rcParams) == settings
    ax = Figure().add_subplot()
    assert plots.estimates(BOTH, xlabel="accuracy", ax=ax) is ax
    assert plots.confusion(SCORES, ax=Figure().add_subplot()).images
    assert plots.human_doubt([0, 1], xlabel="share", ax=Figure().add_subplot()).patches


def test_drawings_are_small_and_use_a_palette():
    for ax in drawings():
        data = plots.png(ax)
        assert len(data) < 30_000
        assert opened(data).mode == "P"
        assert 300 < opened(data).width < 900


@pytest.mark.slow
@pytest.mark.parametrize("channels", [(), (3,)])
def test_photographs_stay_below_150_kilobytes(channels):
    rng = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(rng.normal(size=(8, 300, 300, *channels)), axis=1), axis=2)
    low, high = smooth.min(axis=(1, 2), keepdims=True), smooth.max(axis=(1, 2), keepdims=True)
    noisy = (smooth - low) / (high - low) * 0.9 + rng.uniform(
        0, 0.02, smooth.shape[:3] + (1,) * len(channels)
    )
    drawn = plots.images(list(noisy))
    kind, data = compact(drawn)
    assert len(data) < 150_000
    assert opened(data).format == kind.upper()
    assert opened(data).mode == ("RGB" if channels else "L")
    assert opened(data).convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    # Shades stay what they were: no bands, as fewer shades would give, and no other colours.
    exact = np.asarray(opened(plots.png(drawn)).convert("RGB"), dtype=float)
    assert np.abs(np.asarray(opened(data).convert("RGB")) - exact).mean() < 4


def test_the_same_figure_gives_the_same_bytes():
    assert plots.png(plots.history(RUN)) == plots.png(plots.history(RUN))


def test_outside_a_notebook_show_returns_the_figure_and_closes_it(capsys):
    figure, ax = plt.subplots()
    assert plots.show(ax, "an empty plot") is figure
    assert figure.number not in plt.get_fignums()
    assert capsys.readouterr() == ("", "")


def test_importing_plots_chooses_no_backend_and_no_pyplot():
    program = (
        "import sys, matplotlib; matplotlib.use('svg'); import trustlib.plots; "
        "print(matplotlib.get_backend(), 'matplotlib.pyplot' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["svg", "False"]


class Pictures(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.found.append(dict(attributes))


@pytest.fixture(scope="module")
def notebook():
    """An executed notebook with two figures: one of trustlib's own, one of pyplot's."""
    sources = [
        "from trustlib import plots\nfrom trustlib.estimates import Estimate",
        "ax = plots.estimates({'a': Estimate(.8, .7, .9, 10)}, xlabel='accuracy')\n"
        "plots.show(ax, 'From \"0.7\" to 0.9,\\n  <not> more & not less')",
        "import matplotlib.pyplot as plt\nfigure, ax = plt.subplots()\nplots.show(figure, 'again')",
        "print(plt.get_fignums())",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    return notebook


@pytest.mark.slow
def test_a_notebook_keeps_one_picture_a_figure_and_nothing_open(notebook):
    assert [len(cell.outputs) for cell in notebook.cells] == [0, 1, 1, 1]
    assert notebook.cells[3].outputs[0].text == "[]\n"
    shown = notebook.cells[1].outputs[0]
    assert set(shown.data) == {"text/html", "text/plain"}
    assert shown.data["text/plain"] == 'From "0.7" to 0.9, <not> more & not less'
    # What JupyterLab shows: it prefers HTML, and its sanitizer keeps alt and src of a picture.
    (picture,) = Pictures(shown.data["text/html"]).found
    assert picture["alt"] == shown.data["text/plain"]
    data = base64.b64decode(re.fullmatch(r"data:image/png;base64,(.+)", picture["src"])[1])
    assert opened(data).format == "PNG"


@pytest.mark.slow
@pytest.mark.parametrize("template", ["lab", "classic", "basic"])
def test_exported_pages_carry_the_alternative_text(notebook, template):
    page, _ = HTMLExporter(template_name=template).from_notebook_node(notebook)
    alts = [picture["alt"] for picture in Pictures(page).found if picture["src"].startswith("data:image/png")]
    assert alts == ['From "0.7" to 0.9, <not> more & not less', "again"]
