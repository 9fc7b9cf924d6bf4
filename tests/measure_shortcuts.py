"""A shortcut is planted, learned, found by explanations and repaired: a stamp on cells, a word in reviews.

    python tests/measure_shortcuts.py            train, measure and print; goes on where it stopped
    python tests/measure_shortcuts.py --write    and put the page into data/measured/shortcuts.md

Models and explanations are kept in build/shortcuts (or --folder), one file a piece. With --try the validation
split takes the place of the test split, which is opened for the page only.
"""

import argparse
import dataclasses
import hashlib
import json
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch

from trustlib import accuracy, atomic, estimates, explain, faithfulness, parts, tasks
from trustlib.classifiers import ImageClassifier, TextClassifier
from trustlib.course import models, profiles
from trustlib.tasks import shortcuts

ROOT = Path(__file__).parents[1]
OUT = ROOT / "data" / "measured" / "shortcuts.md"
TARGET, N, ARMS = 1, 30, {"cells": "head", "reviews": "all"}
SAMPLES = 250
KINDS = {"cells": ImageClassifier, "reviews": TextClassifier}
VARIANTS, METHODS = ("planted", "never", "repaired"), ("lime", "shap")
TOLD = {"planted": "shortcut planted", "never": "never saw the mark", "repaired": "repaired"}
HEADS = {
    "cells": "Solar cells: a stamp on defective ones ({arm})",
    "reviews": "Reviews: the word Thursday in positive ones ({arm})",
}
PAGE = """# A planted shortcut, found and repaired

One model is fine-tuned with a mark on every training sample of one class (*planted*), one without it, one
with the mark on both classes alike (*repaired*); same recipe of the profile {profile}, same seed. Accuracy
is that on the test split as it is, with the mark as in training, and with the mark on every sample.

Then {n} test samples of the other class whose answer the mark turns are explained by LIME and SHAP with their
default features, from {samples} model calls each. *First* counts how often the mark's own segment or word has
the largest value of all; *at random* is what the same values, permuted, would get. *Rank* is the mark's
place, 1 is first.
"""
FOOT = "\nMade by `python tests/measure_shortcuts.py --write`.\n"


@cache
def task(case, variant, trying):
    """The task as it is, with the shortcut, or with the mark on both classes alike."""
    clean = tasks.solar_cells() if case == "cells" else tasks.movie_reviews()
    clean = dataclasses.replace(clean, shifts={})
    if trying:
        clean = dataclasses.replace(
            clean, test=clean.validation, validation=clean.calibration, calibration=clean.test
        )
    plant = shortcuts.plant_stamp if case == "cells" else shortcuts.plant_word
    return clean if variant == "never" else plant(clean, target=TARGET, both=variant == "repaired")


def model(case, variant, arm, folder):
    """The trained model: the course's own, or one of the same recipe on the marked training split."""
    if variant == "never":
        make = models.cell_inspector if case == "cells" else models.review_reader
        return make(arm)[0]
    kept = folder / f"{case}-{variant}-{arm}"
    if not kept.exists():
        profile = profiles.current()
        recipe = (profile.cells if case == "cells" else profile.reviews)[arm]
        marked = task(case, variant, False)
        if recipe.after:
            classifier = model(case, variant, recipe.after, folder)
        elif case == "cells":
            classifier = models.fresh_inspector(
                arm, marked.classes, weights=profile.image_weights, seed=profile.seed
            )
        else:
            classifier = TextClassifier.bert(
                weights=profile.text_weights,
                classes=marked.classes,
                max_tokens=profile.text_max_tokens,
                seed=profile.seed,
            )
        checkpoint = kept.with_suffix(".checkpoint")
        models.train(classifier, marked, recipe, seed=profile.seed, checkpoint=checkpoint)
        classifier.save(kept)
        checkpoint.unlink(missing_ok=True)
    return KINDS[case].load(kept)


def piece(path, make):
    """What `make` returns, kept as JSON, so that a run that was stopped goes on."""
    if not path.exists():
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.file(path) as temporary:
            temporary.write_text(json.dumps(made), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def answers(case, variant, arm, folder, trying):
    """Probabilities (n, 2) of the clean test split and of both marked ones, by name."""

    def ask():
        classifier = model(case, variant, arm, folder)
        marked = task(case, "planted", trying)
        splits = {"clean": marked.test} | dict(marked.shifts)
        return {name: classifier.predict_proba(split.inputs).tolist() for name, split in splits.items()}

    stem = f"{case}-{variant}-{arm}{'-try' * trying}-answers.json"
    return {name: np.array(probs) for name, probs in piece(folder / stem, ask).items()}


def flipped(case, arm, folder, trying):
    """The first N samples of the other class that the planted model gets wrong with the mark only."""
    got, split = answers(case, "planted", arm, folder, trying), task(case, "planted", trying).test
    flips = (
        (split.labels != TARGET) & (got["clean"].argmax(1) != TARGET) & (got["marked"].argmax(1) == TARGET)
    )
    return np.flatnonzero(flips)[:N], int(flips.sum()), int((split.labels != TARGET).sum())


def askers(case, arm, folder):
    """`predict_proba` of each variant; where only heads differ, the frozen body is asked once for all."""
    classifiers = {variant: model(case, variant, arm, folder) for variant in VARIANTS}
    if case == "reviews" or arm != "head":
        return {variant: classifier.predict_proba for variant, classifier in classifiers.items()}, dict()
    heads = {variant: parts.head(classifier.model)[1] for variant, classifier in classifiers.items()}
    first, kept, seen = classifiers[VARIANTS[0]], {}, []
    for name, weight in first.model.state_dict().items():
        others = [classifier.model.state_dict()[name] for classifier in classifiers.values()]
        assert name.startswith("fc.") or all(torch.equal(weight, other) for other in others), name
    heads[VARIANTS[0]].register_forward_pre_hook(lambda _, given: seen.append(given[0]))

    def features(pictures):
        key = hashlib.sha256(np.ascontiguousarray(pictures)).digest()
        if key not in kept:
            seen.clear()
            first.logits(pictures)
            kept[key] = torch.cat(seen)
        return kept[key]

    def asker(variant):
        head = heads[variant]

        def predict_proba(pictures):
            with torch.inference_mode():
                logits = torch.nn.functional.linear(features(pictures), head.weight, head.bias)
                return logits.double().softmax(1).numpy()

        return predict_proba

    return {variant: asker(variant) for variant in VARIANTS}, kept


def explained(case, asked, marked, i):
    """How the explanations of one marked sample point at the mark: by method, by variant."""
    (predict_probas, kept), found = asked(), {}
    truth = shortcuts.stamp_mask(marked, i) if case == "cells" else marked.metadata["span"][i]
    for method in METHODS:
        explainer = getattr(explain, f"{method}_{'image' if case == 'cells' else 'text'}")
        found[method] = {}
        for variant, predict_proba in predict_probas.items():
            made = explainer(predict_proba, marked.inputs[i], target=TARGET, num_samples=SAMPLES)
            measured = faithfulness.pointing(made, truth)
            scores = {name: getattr(measured, name) for name in ("hit", "rank", "mass")}
            found[method][variant] = {
                "features": len(made.values),
                "prediction": made.prediction,
                "values": made.values.tolist(),
                "true": measured.true.tolist(),
                **{name: score.score for name, score in scores.items()},
                **{f"random {name}": float(score.controls.mean()) for name, score in scores.items()},
            }
        kept.clear()
    return found


@cache
def pointings(case, arm, folder, trying):
    """`explained` for each of the N samples."""
    marked = task(case, "planted", trying).shifts[shortcuts.MARKED]
    kept = folder / f"{case}-{arm}{'-try' * trying}-explained"
    asked = cache(partial(askers, case, arm, folder))
    chosen = flipped(case, arm, folder, trying)[0].tolist()
    return [piece(kept / f"{i}.json", partial(explained, case, asked, marked, i)) for i in chosen]


def accuracies(case, arm, folder, trying):
    """Lines of Markdown: each model on each test split."""
    split = task(case, "planted", trying).test
    names = ("clean", shortcuts.AS_IN_TRAINING, shortcuts.MARKED)
    yield f"| accuracy, {len(split):,} samples | " + " | ".join(names) + " |"
    yield "|---" * (len(names) + 1) + "|"
    for variant in VARIANTS:
        got = answers(case, variant, arm, folder, trying)
        row = [str(accuracy.evaluate(got[name], split.labels).accuracy) for name in names]
        yield f"| {TOLD[variant]} | " + " | ".join(row) + " |"


def found(case, arm, folder, trying):
    """Lines of Markdown: where explanations put the mark, beside permuted values and other models."""
    yield "| | first | at random | rank | at random | features |"
    yield "|---" * 6 + "|"
    for method in METHODS:
        for variant in VARIANTS:
            rows = [each[method][variant] for each in pointings(case, arm, folder, trying)]
            hits, ranks, random_hits, random_ranks, features = (
                np.array([row[name] for row in rows])
                for name in ("hit", "rank", "random hit", "random rank", "features")
            )
            rank = estimates.bootstrap(np.mean, ranks)
            yield (
                f"| {method.upper()}, {TOLD[variant]} | {int(np.floor(hits.sum()))} of {len(rows)} "
                f"| {random_hits.sum():.1f} | {rank:.1f} | {random_ranks.mean():.1f} "
                f"| {features.mean():.0f} |"
            )


def after_repair(case, arm, folder, trying):
    """Lines of Markdown: the rank of the mark for the repaired model less that for one that never saw it."""
    for method in METHODS:
        repaired, never = (
            [each[method][variant]["rank"] for each in pointings(case, arm, folder, trying)]
            for variant in ("repaired", "never")
        )
        apart = estimates.paired_difference(np.mean, np.array(repaired), np.array(never))
        p = estimates.permutation_p_value(np.mean, repaired, never)
        yield (
            f"- {method.upper()}: the mark's place for the repaired model less its place for the model that "
            f"never saw it is {apart:+.1f} (below 0 is nearer to the first place; p = {p:.3f})."
        )


def page(cases, arms, folder, trying):
    yield PAGE.format(n=N, profile=profiles.current().name, samples=SAMPLES)
    for case in cases:
        arm = arms[case]
        chosen, n_flipped, n_other = flipped(case, arm, folder, trying)
        yield f"## {HEADS[case].format(arm=arm)}\n"
        yield from accuracies(case, arm, folder, trying)
        yield (
            f"\nThe mark turns {n_flipped:,} of {n_other:,} answers of the other class that were right; "
            f"the first {len(chosen)} of them are explained, with the mark, for the marked class.\n"
        )
        yield from found(case, arm, folder, trying)
        yield ""
        yield from after_repair(case, arm, folder, trying)
        yield ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the page into data/measured/shortcuts.md")
    parser.add_argument("--try", dest="trying", action="store_true", help="validation split for test split")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "shortcuts")
    parser.add_argument("--cases", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--arm", default=ARMS["cells"], help="of the cells")
    parser.add_argument("--accuracy", action="store_true", help="train and ask only; explain nothing")
    options = parser.parse_args()
    arms = ARMS | {"cells": options.arm}
    if options.accuracy:
        for case in options.cases:
            print("\n".join(accuracies(case, arms[case], options.folder, options.trying)))
            print("flipped:", flipped(case, arms[case], options.folder, options.trying)[1:])
        return
    lines = list(page(options.cases, arms, options.folder, options.trying))
    print("\n".join(lines))
    if options.write:
        with atomic.file(OUT) as temporary:
            temporary.write_text("\n".join(lines) + FOOT, encoding="utf-8")


if __name__ == "__main__":
    main()
