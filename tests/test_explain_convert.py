import numpy as np
import pytest
import shap
from lime.lime_image import LimeImageExplainer
from lime.lime_tabular import LimeTabularExplainer
from lime.lime_text import LimeTextExplainer
from sklearn.ensemble import RandomForestClassifier

from trustlib import explain
from trustlib.explain import Span, masking


def two(p):
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p])


def reads(texts):
    return two([0.5 + 0.3 * ("good" in text) - 0.2 * ("bad" in text) for text in texts])


def bright(pictures):
    return two(np.asarray(pictures, dtype=float).mean(axis=(1, 2, 3)) / 255)


DATA = np.random.default_rng(0).normal(0, 0.2, (80, 3))


def line(rows):
    return two(np.clip(0.5 + rows @ [0.1, -0.2, 0.0], 0, 1))


TEXT = "good, so good: bad film"
PICTURE = np.arange(108, dtype=np.uint8).reshape(6, 6, 3)
SEGMENTS = masking.grid(PICTURE, 4)


# From lime


def assert_listed(ours, theirs):
    assert [name for name, _ in ours.as_list()] == [name for name, _ in theirs]
    assert [value for _, value in ours.as_list()] == pytest.approx([value for _, value in theirs])


@pytest.mark.parametrize("bow", [True, False])
def test_limes_texts(bow):
    theirs = LimeTextExplainer(bow=bow, random_state=0).explain_instance(
        TEXT, reads, labels=(0, 1), num_samples=200
    )
    ours = explain.from_lime(theirs, target=1, n_calls=200)
    assert ours.kind == "text" and ours.input == TEXT
    assert_listed(ours, theirs.as_list(label=1))
    assert ours.base_value == theirs.intercept[1]
    assert ours.fidelity == theirs.score
    assert ours.prediction == pytest.approx(0.6)
    assert np.isnan(ours.standard_errors).all()
    good = ours.features[0]
    assert good == ((Span(0, 4), Span(9, 13)) if bow else Span(0, 4))
    assert np.isnan(explain.from_lime(theirs, target=0).fidelity)  # lime keeps the last score only


@pytest.mark.parametrize("discretize", [True, False])
def test_limes_rows_add_up_to_limes_own_prediction(discretize):
    explainer = LimeTabularExplainer(
        DATA, feature_names=list("abc"), discretize_continuous=discretize, random_state=0
    )
    theirs = explainer.explain_instance(DATA[5], line, labels=(1,), num_samples=300)
    ours = explain.from_lime(theirs, row=DATA[5])
    assert ours.kind == "table" and ours.target == 1
    assert ours.base_value + ours.values.sum() == pytest.approx(float(theirs.local_pred[0]))
    if discretize:
        assert_listed(ours, theirs.as_list())
    np.testing.assert_array_equal(ours.input, DATA[5])
    np.testing.assert_allclose(explain.from_lime(theirs).input, DATA[5], atol=0.005)


def test_limes_pictures():
    theirs = LimeImageExplainer(random_state=0).explain_instance(
        PICTURE, bright, top_labels=2, num_samples=100, segmentation_fn=lambda _: SEGMENTS, hide_color=0
    )
    ours = explain.from_lime(theirs, prediction=0.2)
    assert ours.kind == "image" and ours.target == theirs.top_labels[0]
    assert ours.as_list() == [(int(i), pytest.approx(w)) for i, w in theirs.local_exp[ours.target]]
    assert ours.prediction == 0.2
    assert np.isnan(explain.from_lime(theirs).prediction)


def test_features_that_lime_left_out_have_the_value_0():
    theirs = LimeTextExplainer(random_state=0).explain_instance(TEXT, reads, num_features=1, num_samples=200)
    ours = explain.from_lime(theirs)
    assert (ours.values != 0).sum() == 1 and len(ours.values) == 4


def test_a_class_that_lime_did_not_explain_is_refused():
    theirs = LimeTextExplainer(random_state=0).explain_instance(TEXT, reads, labels=(0, 1), num_samples=50)
    for target in (None, 2):
        with pytest.raises(ValueError, match=r"classes that lime explained, \[0, 1\], got"):
            explain.from_lime(theirs, target=target)


# From shap


def forest_rows():
    """What shap's TreeExplainer says of four rows, and the forest."""
    forest = RandomForestClassifier(5, max_depth=2, random_state=0).fit(DATA, DATA[:, 0] > 0)
    return shap.TreeExplainer(forest, feature_names=list("abc"))(DATA[:4]), forest


def test_shaps_rows():
    theirs, forest = forest_rows()
    ours = explain.from_shap(theirs, row=2, target=1, prediction=forest.predict_proba(DATA[2:3])[0, 1])
    np.testing.assert_array_equal(ours.values, theirs.values[2, :, 1])
    assert ours.features == ("a", "b", "c")
    np.testing.assert_array_equal(ours.input, DATA[2])
    assert ours.fidelity == pytest.approx(0, abs=1e-9)
    assert (ours.kind, ours.method) == ("table", "shap (package)")
    one = explain.from_shap(theirs[2], target=1)
    np.testing.assert_array_equal(one.values, ours.values)
    assert one.base_value == ours.base_value
    assert one.prediction == pytest.approx(ours.prediction) and np.isnan(one.fidelity)
    sliced = explain.from_shap(theirs[:, :, 1], row=2, target=1)
    np.testing.assert_array_equal(sliced.values, ours.values)
    assert sliced.base_value == ours.base_value


def test_shaps_texts():
    theirs = shap.Explainer(reads, shap.maskers.Text(r"\W"), output_names=["bad", "good"])(
        ["a film", TEXT], silent=True
    )
    ours = explain.from_shap(theirs, row=1, target=1)
    assert ours.kind == "text" and ours.input == TEXT
    np.testing.assert_array_equal(ours.values, theirs.values[1][:, 1])
    assert "".join(ours.names) == TEXT
    assert ours.prediction == pytest.approx(0.6)
    np.testing.assert_array_equal(explain.from_shap(theirs[1], target=1).values, ours.values)
    assert "good" in ours._repr_html_()


def test_shaps_pictures_by_pixel_and_by_segment():
    values = np.random.default_rng(0).normal(size=(2, 6, 6, 3, 2))
    theirs = shap.Explanation(values, base_values=np.array([[0.4, 0.6]] * 2), data=np.stack([PICTURE] * 2))
    ours = explain.from_shap(theirs, row=1, target=0)
    assert ours.kind == "image" and len(ours.values) == 36
    np.testing.assert_allclose(ours.values[ours.features], values[1, ..., 0].sum(axis=2))
    summed = explain.from_shap(theirs, row=1, target=0, segments=SEGMENTS)
    for label in range(4):
        assert summed.values[label] == pytest.approx(values[1, ..., 0][label == SEGMENTS].sum())
    assert summed.base_value == 0.4


def test_several_classes_need_a_target_and_a_row_must_be_there():
    theirs = forest_rows()[0][:2]
    with pytest.raises(ValueError, match="expected target, since shap explained 2 classes"):
        explain.from_shap(theirs)
    with pytest.raises(ValueError, match="target from 0 to 1, got 2"):
        explain.from_shap(theirs, target=2)
    with pytest.raises(ValueError, match="expected row from 0 to 1, got 2"):
        explain.from_shap(theirs, row=2, target=0)


# To shap, and back


def test_rows_to_shap_and_back():
    ours = explain.lime_table(line, DATA[0], background=DATA, columns=list("abc"), num_samples=200)
    theirs = ours.to_shap()
    assert theirs.feature_names == list(ours.names)
    back = explain.from_shap(theirs, target=ours.target)
    np.testing.assert_array_equal(back.values, ours.values)
    assert (back.base_value, back.features, back.target) == (ours.base_value, ours.features, ours.target)


@pytest.mark.parametrize("bow", [False, True])
def test_texts_to_shap_keep_the_whole_text_and_the_sum(bow):
    ours = explain.lime_text(reads, "...well: " + TEXT + "!", bow=bow, num_samples=200)
    theirs = ours.to_shap()
    assert "".join(theirs.data) == ours.input
    assert theirs.values.sum() == pytest.approx(ours.values.sum())
    assert len(theirs.values) == len(masking.words(ours.input))
    if not bow:
        np.testing.assert_array_equal(theirs.values, ours.values)


def test_pictures_to_shap_and_back():
    ours = explain.lime_image(bright, PICTURE, segments=SEGMENTS, baseline=0, num_samples=50)
    theirs = ours.to_shap()
    assert theirs.values.shape == theirs.data.shape == (1, 6, 6, 3)
    back = explain.from_shap(theirs, segments=SEGMENTS)
    np.testing.assert_allclose(back.values, ours.values)
    assert back.base_value == ours.base_value


def test_shaps_own_plots_take_ours(monkeypatch):
    import matplotlib

    matplotlib.use("agg")
    ours = explain.lime_table(line, DATA[0], background=DATA, columns=list("abc"), num_samples=200)
    axes = shap.plots.waterfall(ours.to_shap(), show=False)
    assert any(name in label.get_text() for label in axes.get_yticklabels() for name in ours.names)
    text = explain.lime_text(reads, TEXT, num_samples=100)
    assert "good" in shap.plots.text(text.to_shap(), display=False)
    matplotlib.pyplot.close("all")
