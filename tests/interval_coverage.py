"""How often do the intervals hold the truth? A world whose truth is known, drawn again 2,000 times.

    python tests/interval_coverage.py            print the table (about 20 minutes)
    python tests/interval_coverage.py --write    and put it into data/measured/coverage.md

A sample has a difficulty z, normal, and is of class 1 with probability 1 / (1 + exp(-1.2 z)). Model a sees z
and is overconfident: its logit is twice the true one. Model b sees z with noise. Model c knows the truth, so
its calibration error is 0. In groups of ten, difficulty, the luck of the label and the noise of b are each
correlated (0.3) within a group: every sample alone is distributed as before, so the truth is the same, but
groups are worth fewer samples. Truths are integrals over a grid, not simulated.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy.special import expit, ndtr, ndtri

from trustlib import accuracy, atomic, calibration, estimates

Z, TRUE, SHARP, NOISE, CORRELATED = 2.0, 1.2, 2.4, 1.0, 0.3
N_SETS, SIZES, GROUP = 2000, (200, 656), 10
OUT = Path(__file__).parents[1] / "data" / "measured" / "coverage.md"
PROMISED = (93.0, 97.5)

PAGE = """# How often the intervals hold the truth

{:,} data sets a column, fixed seed, from a world whose truth is known: two classes; model a is overconfident
and right in {:.1f} % of samples; model b sees less, and answers otherwise in {:.1f} %; in groups of {},
everything is correlated ({}) within a group.

A 95 % interval should hold the truth in about 95 % of data sets; with so many of them, chance moves a
number by up to 1 point. Promised are {:.0f} to {:.1f} % for accuracy, Brier, NLL and both kinds of
differences, and at least {:.0f} % for ce2, whose deviations are too wide where a model is nearly calibrated.

Conformal sets at 90 % are learned on n samples and judged on n others; the last row is how often their
coverage lies in its beta-binomial band. The band needs independent samples: in groups it is too narrow.

"""


def model_a(z):
    return expit(SHARP * z)


def model_b(z, noise):
    return expit(TRUE * (z + NOISE * noise))


def losses(p, y):
    """Per sample: right or not, Brier, NLL, for the probability p of class 1."""
    of_label = np.clip(np.where(y, p, 1 - p), calibration.scores.CLIP, 1)
    return {"accuracy": (p > 0.5) == y, "Brier": (1 - of_label) ** 2, "NLL": -np.log(of_label)}


def truths():
    """The expectation of everything that is measured."""
    grid = ndtri((np.arange(2000) + 0.5) / 2000)
    z, noise = np.meshgrid(Z * grid, grid, indexing="ij")
    eta, confidence = expit(TRUE * z), expit(SHARP * np.abs(z))

    def expected(p):
        ones, zeros = losses(p, np.ones(z.shape, bool)), losses(p, np.zeros(z.shape, bool))
        return {name: float(np.mean(eta * ones[name] + (1 - eta) * zeros[name])) for name in ones}

    a, b = expected(model_a(z)), expected(model_b(z, noise))
    right = expit(TRUE * np.abs(z))
    by_confidence = np.sort(np.abs(grid))[::-1]
    risk = np.cumsum(1 - expit(TRUE * Z * by_confidence)) / np.arange(1, len(grid) + 1)
    return {
        **{name: a[name] for name in a},
        **{f"{name}, paired difference": a[name] - b[name] for name in a},
        **{f"{name}, independent difference": a[name] - b[name] for name in a},
        "balanced accuracy": a["accuracy"],  # the world is symmetric: macro-F1 too is the accuracy
        "macro-F1": a["accuracy"],
        "ce2": float(np.mean((confidence - right) ** 2)),
        "ce2 of a calibrated model": 0.0,
        "churn": float(np.mean((model_a(z) > 0.5) != (model_b(z, noise) > 0.5))),
        "AURC": float(risk.mean()),
        "coverage at risk 0.1": float(np.mean(risk <= 0.1)),
    }


def draw(n, grouped, rng):
    """One data set: labels, groups, and the probabilities (n, 2) of the three models."""
    codes = np.arange(n) // GROUP

    def normal():
        if not grouped:
            return rng.normal(size=n)
        shared = rng.normal(size=codes.max() + 1)[codes]
        return np.sqrt(CORRELATED) * shared + np.sqrt(1 - CORRELATED) * rng.normal(size=n)

    z, noise, luck = Z * normal(), normal(), ndtr(normal())
    y = luck < expit(TRUE * z)
    both = [np.column_stack([1 - p, p]) for p in (model_a(z), model_b(z, noise), expit(TRUE * z))]
    return y.astype(int), codes if grouped else None, *both


def measured(n, grouped, rng):
    """Every Estimate of one data set, by name; for conformal sets, what was covered and what was promised."""
    y, groups, a, b, c = draw(n, grouped, rng)
    y2, groups2, _, b2, _ = draw(n, grouped, rng)
    scores = accuracy.evaluate(a, y, groups=groups)
    trust = calibration.evaluate(a, y, groups=groups)
    curve = calibration.risk_coverage(a, y, at_risk=0.1, groups=groups)
    found = {
        "accuracy": scores.accuracy,
        "balanced accuracy": scores.balanced_accuracy,
        "macro-F1": scores.macro_f1,
        "Brier": trust.brier,
        "NLL": trust.nll,
        "ce2": trust.ce2,
        "ce2 of a calibrated model": calibration.evaluate(c, y, groups=groups).ce2,
        "churn": accuracy.churn(a, b, groups=groups),
        "accuracy, paired difference": accuracy.compare(a, b, y, groups=groups).difference,
        "AURC": curve.aurc,
        "coverage at risk 0.1": curve.coverage_at_risk,
    }
    of_a, of_b, of_b2 = (losses(p[:, 1], label == 1) for p, label in ((a, y), (b, y), (b2, y2)))
    for name in of_a:
        if name != "accuracy":
            found[f"{name}, paired difference"] = estimates.paired_difference(
                np.mean, of_a[name], of_b[name], groups=groups
            )
        found[f"{name}, independent difference"] = estimates.independent_difference(
            np.mean, (of_a[name],), (of_b2[name],), groups_a=groups, groups_b=groups2
        )
    rule = calibration.conformal(b, y)
    return found, (rule.coverage(b2, y2).value, rule.promised(n))


def coverage(n, grouped, *, n_sets=N_SETS, seed=0):
    """Share of data sets whose interval holds the truth, by name."""
    truth, held = truths(), {}
    for rng in np.random.default_rng([seed, n, grouped]).spawn(n_sets):
        found, (covered, band) = measured(n, grouped, rng)
        for name, estimate in found.items():
            held.setdefault(name, []).append(estimate.low <= truth[name] <= estimate.high)
        held.setdefault("conformal coverage in its band", []).append(band.low <= covered <= band.high)
    return {name: float(np.mean(each)) for name, each in held.items()}


def table(columns):
    """Lines of Markdown."""
    heads = [f"n = {n}{', groups of ten' if grouped else ''}" for n, grouped in columns]
    yield "| in % of data sets the interval holds the truth | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 1) + "|"
    for name in next(iter(columns.values())):
        yield f"| {name} | " + " | ".join(f"{100 * held[name]:.1f}" for held in columns.values()) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=N_SETS)
    parser.add_argument("--write", action="store_true", help="put the table into data/measured/coverage.md")
    options = parser.parse_args()
    columns = {}
    for grouped in (False, True):
        for n in SIZES:
            columns[n, grouped] = coverage(n, grouped, n_sets=options.sets)
            print(f"n = {n}, grouped {grouped}: done", file=sys.stderr)
    lines = list(table(columns))
    print("\n".join(lines))
    if options.write:
        write(lines, options.sets)


def write(lines, n_sets):
    """Put the table where a reader finds it, with what it is and the command that makes it."""
    truth = truths()
    head = PAGE.format(
        n_sets, 100 * truth["accuracy"], 100 * truth["churn"], GROUP, CORRELATED, *PROMISED, *PROMISED[:1]
    )
    foot = "\nMade by `python tests/interval_coverage.py --write`, where the world is described.\n"
    with atomic.file(OUT) as temporary:
        temporary.write_text(head + "\n".join(lines) + "\n" + foot, encoding="utf-8")


if __name__ == "__main__":
    main()
