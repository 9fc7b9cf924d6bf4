"""What `trustlib report` does: load, ask or read, write the files, and judge the conditions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from trustlib.errors import DataError
from trustlib.predictions import Predictions
from trustlib.report import gate, sources
from trustlib.report.models import planned_calls, trust_report
from trustlib.report.predictions_only import from_predictions
from trustlib.report.result import TrustReport


def run(options: argparse.Namespace) -> int:
    """Exit status: 0; 1 where a condition of --fail-if is met; 2 where one names no number of the report."""
    try:
        conditions = [gate.parse(text) for text in options.fail_if]
    except ValueError as error:  # told before anything is asked
        options.parser.error(str(error))
    made = (_from_files if options.predictions else _from_models)(options)
    page = made.save(options.out)
    print(made)
    print(f"wrote {page}, report.json and report.md")
    return _judged(conditions, made)


def _judged(conditions: Sequence[gate.Condition], made: TrustReport) -> int:
    document = made.to_json()
    try:
        met = [sentence for condition in conditions for sentence in gate.met(condition, document)]
    except gate.GateError as error:
        print(f"trustlib: {error}", file=sys.stderr)
        return 2
    for sentence in met:
        print(f"trustlib: failed, since {sentence}", file=sys.stderr)
    return int(bool(met))


def _from_models(options: argparse.Namespace) -> TrustReport:
    task = sources.task(options.task)
    models = {
        name: sources.model(word, task, architecture=options.architecture, size=options.size)
        for name, word in _named(options.model, options.parser).items()
    }
    sizes = {} if options.explained is None else {"n_explained": options.explained}
    try:
        n_calls = sum(planned_calls(task, **sizes).values())
    except ValueError as error:
        options.parser.error(str(error))
    print(f"{len(models)} model(s) will answer up to {n_calls:,} inputs each", flush=True)
    return trust_report(models, task, seed=options.seed, **sizes)


def _from_files(options: argparse.Namespace) -> TrustReport:
    names = list(_named(options.predictions, options.parser))
    read = [_named(words, options.parser) for words in (options.calibration, options.train)]
    if len(names) == 1:  # there is no doubt whose answers the others are
        read = [dict(zip(names, files.values(), strict=False)) for files in read]
    try:
        test, calibration, train = (
            {name: Predictions.load(path) for name, path in files.items()} or None
            for files in (_named(options.predictions, options.parser), *read)
        )
        return from_predictions(
            test,
            calibration=calibration,
            train=train,
            task=options.task or "answers from a file",
            seed=options.seed,
        )
    except OSError as error:
        raise DataError(f"expected to read {error.filename}, got: {error.strerror}") from error
    except ValueError as error:  # what the files hold is no mistake of the program's
        raise DataError(str(error)) from error


def _named(words: Sequence[str], parser: argparse.ArgumentParser) -> dict[str, str]:
    """NAME=WORD by name; a word alone is named after itself, a path after its file."""
    found: dict[str, str] = {}
    for word in words:
        name, sign, rest = word.partition("=")
        if not sign or not name.strip() or Path(word).exists():
            name, rest = Path(word).stem if Path(word).exists() else word, word
        if name in found:
            parser.error(f"expected a name for each model, got {name} twice; write NAME={rest}")
        found[name] = rest
    return found
