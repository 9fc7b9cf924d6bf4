"""What data/measured/shortcuts.md promises, and the parts of the script that made it."""

import copy
import json
import re

import measure_shortcuts
import numpy as np
import pytest
import tiny
import torch


def test_heads_on_one_body_answer_as_their_own_classifiers_do(monkeypatch):
    classifiers = {}
    for i, variant in enumerate(measure_shortcuts.VARIANTS):
        classifiers[variant] = tiny.image_classifier()
        with torch.no_grad():
            classifiers[variant].model.fc.weight += i
    monkeypatch.setattr(measure_shortcuts, "model", lambda case, variant, arm, folder: classifiers[variant])
    asked, kept = measure_shortcuts.askers("cells", "head", None)
    pictures = tiny.pictures([0, 1, 1])
    for variant, classifier in classifiers.items():
        np.testing.assert_allclose(asked[variant](pictures), classifier.predict_proba(pictures), atol=1e-6)
    assert len(kept) == 1
    other = copy.deepcopy(classifiers["never"])
    with torch.no_grad():
        other.model.stem.weight += 1
    monkeypatch.setitem(classifiers, "never", other)
    with pytest.raises(AssertionError, match="stem"):
        measure_shortcuts.askers("cells", "head", None)


def test_a_piece_is_made_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"rank": 1.0}

    for _ in range(2):
        assert measure_shortcuts.piece(tmp_path / "a" / "0.json", make) == {"rank": 1.0}
    assert len(made) == 1
    assert json.loads((tmp_path / "a" / "0.json").read_text()) == {"rank": 1.0}


@pytest.fixture(scope="module")
def rows():
    """Numbers of each row of the page that has 'x of n', by section and name."""
    found, section = {}, None
    for line in measure_shortcuts.OUT.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = "cells" if "cells" in line else "reviews"
        hits = re.search(r"\| (\d+) of (\d+) \| ([\d.]+) \|", line)
        if hits:
            found[section, line.split("|")[1].strip()] = [float(number) for number in hits.groups()]
    return found


@pytest.mark.parametrize("case", ["cells", "reviews"])
@pytest.mark.parametrize("method", ["LIME", "SHAP"])
def test_the_mark_is_first_in_27_of_30_and_not_at_random(rows, case, method):
    hits, n, at_random = rows[case, f"{method}, shortcut planted"]
    assert n == 30
    assert hits >= 27
    assert at_random < 10


def test_after_repair_the_mark_is_no_nearer_to_the_first_place_than_for_a_model_that_never_saw_it():
    text = measure_shortcuts.OUT.read_text(encoding="utf-8")
    apart = re.findall(r"never saw it is ([+-][\d.]+) \[", text)
    assert len(apart) == 4
    assert all(float(value) >= 0 for value in apart)
