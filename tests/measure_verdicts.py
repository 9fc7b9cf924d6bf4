"""How often is a verdict of a trust report false, and how often is a true difference found? By simulation.

    python tests/measure_verdicts.py            print the tables (about half an hour)
    python tests/measure_verdicts.py --write    and put them into data/measured/verdicts.md

In the world of equals a sample has a difficulty z, normal, and is of class 1 with probability
1 / (1 + exp(-1.2 z)). Every model sees z with noise of its own, of one size, so that all are equally good in
the population and err independently. Training samples are seen with less noise, those of another world with
more. Answers flip with a chance that falls with the model's sureness; the scores of explanations are a
part that belongs to the input and a part that is the model's own, symmetric for one model and skewed for the
other. In groups of ten, difficulty and noise are correlated (0.3) within a group.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from scipy.special import expit

from trustlib import atomic
from trustlib.calibration import scores
from trustlib.report import power
from trustlib.report.paired import LEAST_SEEDS, detectable, pair
from trustlib.report.result import Primary
from trustlib.report.verdicts import ALPHA, decide

Z, TRUE, NOISE, CORRELATED, GROUP = 2.0, 1.2, 1.0, 0.3, 10
N_TEST, N_TRAIN, N_SHIFT, N_FLIPS, N_EXPLAINED = 656, 1500, 500, 100, 12
N_REPORTS, N_TOLD, FAMILY = 1000, 200, 12
GAP, DISCORDANT, SELDOM = 0.05, 0.10, 0.08
PROMISED_FALSE, PROMISED_FOUND = 6.5, 80.0
OUT = Path(__file__).parents[1] / "data" / "measured" / "verdicts.md"

PAGE = """# How often verdicts are right

{:,} simulated reports a row, fixed seed; with so many, chance moves a share by up to 3 points near 80 %, and
by 1.5 near 5 %.

**False verdicts.** Models that are equally good in the population and err independently. A report is counted
when any verdict of its family is *better* or *worse*. Promised: in at most {:g} % of reports (Holm at
{:.0%}; the rest is the chance of {:,} simulations).

"""


def normal(n, groups, rng):
    """n normal numbers, correlated within groups (n,) where there are any."""
    if groups is None:
        return rng.normal(size=n)
    shared = rng.normal(size=groups.max() + 1)[groups]
    return np.sqrt(CORRELATED) * shared + np.sqrt(1 - CORRELATED) * rng.normal(size=n)


def answers(n, groups, noise, n_models, rng):
    """Labels, and the probabilities (n, 2) of each model."""
    z = Z * normal(n, groups, rng)
    labels = (rng.random(n) < expit(TRUE * z)).astype(int)
    seen = [expit(TRUE * (z + noise * normal(n, groups, rng))) for _ in range(n_models)]
    return labels, [np.column_stack([1 - p, p]) for p in seen]


def equals(rng, *, n_models=2, grouped=False, asked=True):
    """The primary measures of a report on equally good models; with `asked`, those that need a model too."""
    names = "abcdefgh"[:n_models]

    def codes(n):
        return np.arange(n) // GROUP if grouped else None

    def named(values):
        return dict(zip(names, values, strict=True))

    labels, probs = answers(N_TEST, codes(N_TEST), NOISE, n_models, rng)
    learned = answers(N_TRAIN, codes(N_TRAIN), NOISE / 2, n_models, rng)
    elsewhere = answers(N_SHIFT, codes(N_SHIFT), 1.5 * NOISE, n_models, rng)
    train_nll = [scores.nll_losses(p, learned[0]).mean() for p in learned[1]]
    right, there = (
        named([(p.argmax(axis=1) == y).astype(float) for p in ps]) for y, ps in ((labels, probs), elsewhere)
    )
    brier = named([scores.brier_losses(p, labels) for p in probs])
    gaps = named([scores.nll_losses(p, labels) - t for p, t in zip(probs, train_nll, strict=True)])
    found = [
        Primary("accuracy", "accuracy", right, codes(N_TEST), True, shares=True),
        Primary("calibration", "Brier score", brier, codes(N_TEST), False),
        Primary("generalization", "gap in loss", gaps, codes(N_TEST), False),
        Primary("shift", "accuracy elsewhere", there, codes(N_SHIFT), True, shares=True),
    ]
    if not asked:
        return found
    flips = named([rng.binomial(2, 0.5 * (2 * (1 - p[:N_FLIPS].max(axis=1))) ** 2) / 2 for p in probs])
    own = [rng.normal(size=N_EXPLAINED), *(rng.exponential(size=N_EXPLAINED) - 1 for _ in names[1:])]
    shared = rng.normal(0.3, 0.15, N_EXPLAINED)
    gains = named([shared + 0.15 * one for one in own])
    agreement = named([1 - rng.beta(2, 6, N_EXPLAINED) for _ in names])
    return found + [
        Primary("robustness", "flips", flips, codes(N_FLIPS), False),
        Primary("faithfulness", "gain", gains, None, True),
        Primary("stability", "rank agreement", agreement, None, True),
    ]


def trained(rng, *, seeds=LEAST_SEEDS, luck=0.5):
    """Two ways of training that are equally good on average; each trained model has luck of its own."""
    z = Z * rng.normal(size=N_TEST)
    labels = (rng.random(N_TEST) < expit(TRUE * z)).astype(int)
    right, brier = {}, {}
    for name in "ab":
        noise = NOISE * np.exp(luck * rng.normal(size=(seeds, 1))) * rng.normal(size=(seeds, N_TEST))
        p = expit(TRUE * (z + noise))
        of_label = np.where(labels == 1, p, 1 - p)
        right[name], brier[name] = (of_label > 0.5).astype(float), (1 - of_label) ** 2
    return [
        Primary("accuracy", "accuracy", right, None, True, shares=True),
        Primary("calibration", "Brier score", brier, None, False),
    ]


def any_false(make, *, n_reports=N_REPORTS, seed=0):
    """The share of reports on equals with a verdict, which is false."""
    told = [
        any(found.verdict != "not shown" for found in decide(make(rng)))
        for rng in np.random.default_rng(seed).spawn(n_reports)
    ]
    return float(np.mean(told))


def two_models(n, discordant, difference, rng):
    """Right or not for two models whose accuracies differ by so much in the population."""
    kind = rng.choice(3, n, p=[1 - discordant, (discordant + difference) / 2, (discordant - difference) / 2])
    both = (rng.random(n) < 0.8).astype(float)
    return np.where(kind == 0, both, kind == 1), np.where(kind == 0, both, kind == 2)


def found_gap(*, n=N_TEST, gap=GAP, discordant=DISCORDANT, family=FAMILY, n_reports=N_REPORTS, seed=0):
    """How often a true gap in accuracy is found where all other tests of the family are of equals."""
    hits = 0
    for rng in np.random.default_rng([seed, n, family]).spawn(n_reports):
        a, b = two_models(n, discordant, gap, rng)
        primaries = [Primary("accuracy", "accuracy", {"a": a, "b": b}, None, True, shares=True)]
        for i in range(family - 1):
            values = {"a": rng.normal(size=40), "b": rng.normal(size=40)}
            primaries.append(Primary(f"other {i}", "other", values, None, True))
        hits += decide(primaries)[0].verdict == "better"
    return hits / n_reports


def told_and_found(draw, difference, *, shares, groups=None, n_reports=N_REPORTS, seed=0):
    """How often a difference of just the size that is called detectable is found, at the level of one of
    FAMILY tests; and the middle of what the reports themselves would have called so.

    draw(difference, rng): values of a and b whose means differ by so much in the population.
    """
    hits, told = 0, []
    for rng in np.random.default_rng(seed).spawn(n_reports):
        a, b = draw(difference, rng)
        primary = Primary("x", "x", {"a": a, "b": b}, groups, True, shares=shares)
        hits += decide([primary], alpha=ALPHA / FAMILY)[0].verdict == "better"
        if len(told) < N_TOLD:
            told.append(detectable(pair(primary, "a", "b"), level=ALPHA / FAMILY))
    return hits / n_reports, float(np.median(told))


def shifted(n, deviation, difference, rng):
    """Means of n numbers that differ by so much, their differences of that deviation."""
    return difference + deviation * rng.normal(size=n), np.zeros(n)


def seldom(difference, rng):
    """Shares of two noisy answers that changed, 0, 1/2 or 1, seldom different between two models."""
    size = rng.choice([0.5, 1.0], N_FLIPS)  # 3/4 on average
    apart = max(SELDOM, difference / 0.75)
    kind = rng.choice(
        3, N_FLIPS, p=[1 - apart, (apart + difference / 0.75) / 2, (apart - difference / 0.75) / 2]
    )
    return np.where(kind == 1, size, 0), np.where(kind == 2, size, 0)


def in_groups(groups, difference, rng):
    """Brier-like losses whose differences are correlated within groups."""
    return difference + 0.2 * normal(len(groups), groups, rng), np.zeros(len(groups))


def detectable_rows(n_reports=N_REPORTS):
    """Name, detectable difference in the population, share found, median told."""
    level = ALPHA / FAMILY
    for n, discordant in ((656, 0.1), (2000, 0.06), (114, 0.15)):
        size = power.detectable_accuracy(n, discordant, alpha=level)
        draw = partial(_pair, n, discordant)
        yield (
            f"accuracy, n = {n:,}, {discordant:.0%} discordant",
            size,
            *told_and_found(draw, size, shares=True, n_reports=n_reports),
        )
    big = np.random.default_rng(1)
    for n in (656, 100, 12):
        sample = 0.2 * big.normal(size=n)
        size = power.detectable_mean(sample / sample.std(ddof=1) * 0.2, alpha=level)
        draw = partial(shifted, n, 0.2)
        yield (
            f"mean of {n} differences of deviation 0.2",
            size,
            *told_and_found(draw, size, shares=False, n_reports=n_reports),
        )
    size = np.mean(
        [power.detectable_mean(np.subtract(*seldom(0.0, rng)), alpha=level) for rng in big.spawn(50)]
    )
    yield (
        f"answers changed, {N_FLIPS} inputs, {SELDOM:.0%} of which differ",
        size,
        *told_and_found(seldom, size, shares=False, n_reports=n_reports),
    )
    groups = np.arange(N_TEST) // GROUP
    sizes = [
        power.detectable_mean(in_groups(groups, 0, rng)[0], groups=groups, alpha=level)
        for rng in big.spawn(200)
    ]
    size = float(np.mean(sizes))
    yield (
        f"mean of {N_TEST} differences in groups of {GROUP}",
        size,
        *told_and_found(partial(in_groups, groups), size, shares=False, groups=groups, n_reports=n_reports),
    )


def _pair(n, discordant, difference, rng):
    return two_models(n, max(discordant, difference), difference, rng)


EQUALS = {
    "two models, seven axes (7 tests)": equals,
    "three models, the four axes of from_predictions (12 tests)": partial(equals, n_models=3, asked=False),
    "two models, seven axes, samples in groups of ten (7 tests)": partial(equals, grouped=True),
    "two ways of training, five seeds each (2 tests)": trained,
}


def table(n_reports=N_REPORTS):
    """Lines of Markdown."""
    yield "| equally good | reports with a false verdict |"
    yield "|---|---|"
    for name, make in EQUALS.items():
        yield f"| {name} | {100 * any_false(make, n_reports=n_reports):.1f} % |"
    yield ""
    needed = power.samples_for(GAP, DISCORDANT, alpha=ALPHA / FAMILY)
    yield (
        f"**True differences.** A gap of {100 * GAP:g} points in accuracy, {DISCORDANT:.0%} discordant, as "
        f"one of a family of {FAMILY} tests. By arithmetic {needed} samples find it in 80 % of reports."
    )
    yield ""
    yield "| samples | found |"
    yield "|---|---|"
    for n in (400, needed, N_TEST):
        yield f"| {n} | {100 * found_gap(n=n, n_reports=n_reports):.1f} % |"
    yield ""
    yield (
        "**What could have been found.** Beside *not shown* a report says which true difference would have "
        f"been found in 4 of 5 such tests. Here a difference of just that size is true, at the level of one "
        f"of {FAMILY} tests; the last column is the middle of what such reports themselves would say."
    )
    yield ""
    yield "| test | difference | found | reports say |"
    yield "|---|---|---|---|"
    for name, size, share, told in detectable_rows(n_reports):
        yield f"| {name} | {size:.3f} | {100 * share:.1f} % | {told:.3f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=N_REPORTS)
    parser.add_argument("--write", action="store_true", help="put the tables into data/measured/verdicts.md")
    options = parser.parse_args()
    lines = []
    for line in table(options.reports):
        print(line, flush=True)
        lines.append(line)
    if options.write:
        head = PAGE.format(options.reports, PROMISED_FALSE, ALPHA, options.reports)
        foot = "\nMade by `python tests/measure_verdicts.py --write`, where the world is described.\n"
        with atomic.file(OUT) as temporary:
            temporary.write_text(head + "\n".join(lines) + "\n" + foot, encoding="utf-8")
        print(f"wrote {OUT.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
