"""The command `trustlib`: doctor, course, fetch, measure, report, pretrain. Each imports what it needs."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import trustlib
from trustlib import errors

CASES = ("cells", "reviews", "trust")  # what the course measures itself
OUR_ERRORS = (errors.AssetError, errors.DataError, errors.ModelError, errors.MissingExtra)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, 1 for what went wrong, 2 for wrong arguments."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if arguments[:1] == ["pretrain"]:  # its options live beside its code, which imports torch
            return _pretrain(arguments[1:])
        options = _parser().parse_args(arguments)
        return options.command(options)
    except OUR_ERRORS as error:
        print(f"trustlib: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("trustlib: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trustlib", description="How far may a fine-tuned network be trusted?"
    )
    parser.add_argument("--version", action="version", version=f"trustlib {trustlib.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    doctor = commands.add_parser(
        "doctor", help="say what this machine has and what it lacks, with a fix each"
    )
    doctor.set_defaults(command=_doctor)

    course = commands.add_parser("course", help="execute the lessons and write their pages")
    course.add_argument(
        "--only", nargs="+", default=[], metavar="LESSON", help="numbers or names, such as 01 02"
    )
    course.add_argument("--profile", choices=("lite", "full"), help="default: TRUSTLIB_PROFILE, else lite")
    course.add_argument(
        "--out", type=Path, default=Path("build/course"), help="folder of the pages and run.json"
    )
    course.add_argument(
        "--write", action="store_true", help="put the executed lessons back, with their outputs"
    )
    course.add_argument(
        "--cell-timeout", type=_seconds, default=1800, metavar="SECONDS", help="bound for one cell"
    )
    other = course.add_mutually_exclusive_group()
    other.add_argument("--list", action="store_true", help="list the lessons and stop")
    other.add_argument("--lint", action="store_true", help="hold the lessons to their standard and stop")
    course.set_defaults(command=_course, parser=course)

    fetch = commands.add_parser("fetch", help="bring data and weights that are missing")
    fetch.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="default: what the lite course needs; trustlib doctor lists the others",
    )
    fetch.set_defaults(command=_fetch)

    measure = commands.add_parser(
        "measure", help="measure a file of answers, or make the comparisons of data/measured again"
    )
    measure.add_argument(
        "what",
        nargs="*",
        metavar="FILE",
        help="one .npz or .csv of probabilities and labels; or the course's own: cells, reviews, trust "
        "(default: all three)",
    )
    measure.add_argument("--show", action="store_true", help="print the stored results of the cases and stop")
    measure.add_argument(
        "--calibration", type=Path, metavar="FILE", help="the model's answers to a calibration split"
    )
    measure.add_argument(
        "--groups",
        action=argparse.BooleanOptionalAction,
        help="intervals that resample the groups of FILE; default: where it has some",
    )
    measure.set_defaults(command=_measure, parser=measure)

    report = commands.add_parser("report", help="how far models may be trusted: a page, JSON, Markdown")
    report.add_argument("--task", help="cells, reviews, iris, ..., a folder of pictures, a .csv of texts")
    asked = report.add_mutually_exclusive_group(required=True)
    asked.add_argument(
        "--model",
        nargs="+",
        default=[],
        metavar="[NAME=]MODEL",
        help="cells:last_block, a folder, a .safetensors file, module:function, or a hub name",
    )
    asked.add_argument(
        "--predictions", nargs="+", default=[], metavar="[NAME=]FILE", help=".npz or .csv, instead of models"
    )
    for split in ("calibration", "train"):
        report.add_argument(
            f"--{split}",
            nargs="+",
            default=[],
            metavar="[NAME=]FILE",
            help=f"answers to the {split} split, with --predictions",
        )
    report.add_argument("--architecture", help="torchvision's name of a .safetensors file's network")
    report.add_argument("--size", type=int, metavar="PIXELS", help="that it sees; default: 224")
    report.add_argument("--explained", type=int, metavar="N", help="inputs to explain; default: 12")
    report.add_argument("--seed", type=int, default=0)
    report.add_argument("--out", type=Path, required=True, help="folder of the three files")
    report.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        help='end with status 1 if it is met, such as "accuracy.low < 0.8"',
    )
    report.set_defaults(command=_report, parser=report)

    commands.add_parser("pretrain", help="train ResNet-50 on Tiny ImageNet", add_help=False)
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected more than 0 seconds, got {text}")
    return value


def _doctor(options: argparse.Namespace) -> int:
    from trustlib import doctor

    findings = doctor.examine()
    print(doctor.report(findings))
    return int(any(finding.needed and not finding.ok for finding in findings))


def _fetch(options: argparse.Namespace) -> int:
    from trustlib import assets

    for status in assets.fetch(options.names or None):
        print(f"{'ok' if status.ok else 'missing':<8} {status.name:<22} {status.path or status.fix}")
    return 0


def _measure(options: argparse.Namespace) -> int:
    files = [word for word in options.what if _is_file(word)]
    if files:
        if len(options.what) > 1 or options.show:
            options.parser.error(f"expected {files[0]} alone, got more; measure one file at a time")
        return _measure_file(Path(files[0]), options)
    if options.calibration is not None or options.groups is not None:
        options.parser.error("expected a FILE with --calibration or --groups, got none")
    return _measure_cases(options)


def _is_file(word: str) -> bool:
    """Whether a word of `trustlib measure` names a file of answers; the course's cases go first."""
    return word not in CASES and (word.lower().endswith((".npz", ".csv")) or Path(word).exists())


def _measure_file(path: Path, options: argparse.Namespace) -> int:
    from trustlib import summary
    from trustlib.predictions import Predictions

    try:
        answers, split = (p and Predictions.load(p) for p in (path, options.calibration))
        for line in summary.table(answers, calibration_split=split, grouped=options.groups):
            print(line)
    except OSError as error:
        raise errors.DataError(f"expected to read {error.filename or path}, got: {error.strerror}") from error
    except ValueError as error:  # what the file holds is no mistake of the program's
        raise errors.DataError(str(error)) from error
    return 0


def _measure_cases(options: argparse.Namespace) -> int:
    from trustlib.course import measure, trust

    if options.show:
        for table in (measure.table, trust.table):
            print("\n".join(table()), end="\n\n")
        return 0
    unknown = [case for case in options.what if case not in CASES]
    if unknown:  # told before hours are spent on the others
        options.parser.error(f"expected cells, reviews or trust, or a file, got {unknown[0]!r}")
    known = {"cells": measure.cells, "reviews": measure.reviews, "trust": trust.both}
    for case in options.what or CASES:
        for line in known[case]():
            print(line, flush=True)
    measure.picture()
    return 0


def _report(options: argparse.Namespace) -> int:
    if options.model and not options.task:
        options.parser.error("expected --task with --model, got none; name what the models are for")
    if options.model and (options.calibration or options.train):
        options.parser.error("expected --calibration and --train with --predictions only; a task has its own")
    from trustlib.report import command

    return command.run(options)


def _pretrain(arguments: Sequence[str]) -> int:
    from trustlib import pretraining

    parser = argparse.ArgumentParser(
        prog="trustlib pretrain", description="Train ResNet-50 on Tiny ImageNet."
    )
    pretraining.add_arguments(parser)
    return pretraining.run(parser.parse_args(arguments)) or 0


def _course(options: argparse.Namespace) -> int:
    from trustlib.course import profiles

    try:
        profile = profiles.named(options.profile) if options.profile else profiles.current()
    except ValueError as error:
        options.parser.error(str(error))
    try:
        from trustlib.course import run
    except ModuleNotFoundError as error:
        if (error.name or "trustlib").split(".")[0] == "trustlib":
            raise
        raise errors.missing_extra(error.name, "course") from error
    folder = run.lessons_folder()
    try:
        paths = run.select(run.lessons(folder), options.only)
    except ValueError as error:
        options.parser.error(str(error))
    if options.list:
        for path in paths:
            print(f"{path.stem:<28} {run.title(run.read(path))}")
        return 0
    if options.lint:
        return _lint(paths)
    signal.signal(signal.SIGTERM, _stop)  # ends kernels as Ctrl-C does
    runs = run.run_course(
        paths, profile=profile, out=options.out, write=options.write, cell_timeout=options.cell_timeout
    )
    failed = sum(not lesson.passed for lesson in runs)
    print(f"{len(runs) - failed} of {len(runs)} lessons passed; open {options.out / 'index.html'}")
    return int(failed > 0)


def _lint(paths: Sequence[Path]) -> int:
    from trustlib.course import lint

    problems = [problem for path in paths for problem in lint.lint(path)]
    for problem in problems:
        print(problem)
    print(f"{len(paths)} lessons, {len(problems)} problems")
    return int(bool(problems))


def _stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt
