"""All lessons in order, each in its own clean kernel: a line each, a page each, one record of the run."""

import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook, new_raw_cell

import trustlib
from trustlib import atomic
from trustlib.course import kernel, pages, reports
from trustlib.course.profiles import Profile
from trustlib.errors import DataError

CHECKED = "nbval-check-output"
RECORDED_VERSIONS = ("numpy", "scipy", "scikit-learn", "torch", "torchvision", "transformers")


@dataclass(frozen=True)
class Checked:
    """What a cell tagged `nbval-check-output` printed; `cell` counts code cells from 1."""

    cell: int
    text: str


@dataclass(frozen=True)
class LessonRun:
    """How one lesson went: seconds, peak bytes of its kernel and children, the failure if it failed."""

    name: str
    title: str
    seconds: float
    peak_bytes: int
    passed: bool
    failure: str | None
    results: tuple[Checked, ...]


def lessons_folder() -> Path:
    """The folder `notebooks/` beside the package (a checkout), else the one in the current folder.

    Raises: DataError when neither holds a lesson.
    """
    beside = Path(trustlib.__file__).resolve().parents[1] / "notebooks"
    for folder in (beside, Path.cwd() / "notebooks"):
        if lessons(folder):
            return folder
    raise DataError(
        "expected lessons as notebooks/NN_name.ipynb, got none beside the package nor in the current "
        "folder: run this in a checkout of the course"
    )


def lessons(folder: str | Path) -> list[Path]:
    """The lessons of a folder, in order of their numbers."""
    return sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))


def select(paths: Sequence[Path], only: Iterable[str]) -> list[Path]:
    """Those lessons whose number or name was asked for, in course order; all when none was.

    Raises: ValueError for a number or name that no lesson has.

    >>> [p.name for p in select([Path("00_a.ipynb"), Path("01_b.ipynb")], ["1"])]
    ['01_b.ipynb']
    """
    wanted = [word.removesuffix(".ipynb") for word in only]
    chosen = set()
    for word in wanted:
        found = [p for p in paths if p.stem == word or (word.isdigit() and int(p.stem[:2]) == int(word))]
        if not found:
            raise ValueError(f"expected a lesson among {', '.join(p.stem for p in paths)}; got {word!r}")
        chosen |= set(found)
    return [p for p in paths if p in chosen] if wanted else list(paths)


def title(notebook: nbformat.NotebookNode) -> str:
    """The text of the first level-one heading; the empty string when there is none."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0][2:].strip()
    return ""


def run_course(
    paths: Sequence[Path],
    *,
    profile: Profile,
    out: str | Path,
    write: bool = False,
    cell_timeout: float = 1800,
    say: Callable[..., None] = print,
) -> list[LessonRun]:
    """Execute the lessons, write a page each, an index and `run.json` into `out`.

    A lesson that makes trust reports puts them into `out/report`, and the index links them. So it does the
    recipes that lie beside the lessons, as they were executed last: the tests run them, a course does not.

    Args:
        write: also put each lesson that passed back in its place, with its outputs.
        say: receives the progress lines, as `print` does.
    Returns: one LessonRun each, in order; a lesson that failed does not stop the next.
    Raises: KeyboardInterrupt when the person stops it; no kernel is left.
    """
    out = Path(out)
    for page in out.glob("[0-9][0-9]_*.html"):  # the folder tells of one run only
        page.unlink()
    shutil.rmtree(out / reports.NAME, ignore_errors=True)
    facts = surroundings(profile)
    found = [_read_or_tell(path) for path in paths]
    titles = [(path.stem, title(notebook)) for path, (notebook, _) in zip(paths, found, strict=True)]
    runs: list[LessonRun] = []
    for position, path in enumerate(paths):
        say(f"{path.stem:<28}", end=" ", flush=True)
        run, notebook = _run_lesson(
            path, *found[position], profile=profile, cell_timeout=cell_timeout, out=out
        )
        runs.append(run)
        say(f"{run.seconds:7.1f} s  {run.peak_bytes / 1e9:5.2f} GB  {'passed' if run.passed else 'FAILED'}")
        if run.failure:
            say(f"  {run.name}, {run.failure}")
        if write and run.passed:
            save(notebook, path)
        _write(
            out / f"{path.stem}.html",
            pages.lesson_page(notebook, folder=path.parent, position=position, titles=titles),
        )
    made = (out / reports.NAME / "report.html").exists()
    link = f"{reports.NAME}/report.html" if made else None
    recipes = _recipes_page(paths[0].parent / "recipes.ipynb", out) if paths else None
    _write(out / "index.html", pages.index_page(runs, facts, reports=link, recipes=recipes))
    _write(out / "run.json", record(runs, facts))
    return runs


def _recipes_page(path: Path, out: Path) -> str | None:
    """The address of the page of recipes, made from the stored notebook; None where there is none."""
    page = out / "recipes.html"
    page.unlink(missing_ok=True)
    if not path.is_file():
        return None
    titles = [(path.stem, "Recipes")]
    _write(page, pages.lesson_page(read(path), folder=path.parent, position=0, titles=titles))
    return page.name


def _read_or_tell(path: Path) -> tuple[nbformat.NotebookNode, str | None]:
    """The notebook and None; for a file that is no notebook, one that says so, and what is wrong."""
    try:
        return read(path), None
    except DataError as error:
        told = new_notebook(cells=[new_markdown_cell(f"# {path.stem}"), new_raw_cell(str(error))])
        return told, str(error)


def _run_lesson(
    path: Path,
    notebook: nbformat.NotebookNode,
    unread: str | None,
    *,
    profile: Profile,
    cell_timeout: float,
    out: Path,
) -> tuple[LessonRun, nbformat.NotebookNode]:
    if unread:
        return LessonRun(path.stem, path.stem, 0.0, 0, False, unread, ()), notebook
    done = kernel.execute(
        notebook,
        folder=path.parent,
        cell_timeout=cell_timeout,
        environment={
            "TRUSTLIB_PROFILE": profile.name,
            reports.VARIABLE: str((out / reports.NAME).resolve()),
        },
    )
    run = LessonRun(
        name=path.stem,
        title=title(done.notebook),
        seconds=round(done.seconds, 1),
        peak_bytes=done.peak_bytes,
        passed=done.failure is None,
        failure=str(done.failure) if done.failure else None,
        results=tuple(checked_results(done.notebook)),
    )
    return run, done.notebook


def read(path: str | Path) -> nbformat.NotebookNode:
    """A notebook in format 4.5, whose cells have ids that do not change between two readings.

    Raises: DataError for a file that is no notebook.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        for position, cell in enumerate(found["cells"]):
            cell.setdefault("id", f"cell-{position}")
        found["nbformat_minor"] = max(5, found["nbformat_minor"])
        notebook = nbformat.reads(json.dumps(found), as_version=4)
        nbformat.validate(notebook)
    except (OSError, ValueError, KeyError, TypeError, nbformat.ValidationError) as error:
        raise DataError(f"expected a Jupyter notebook, got {Path(path).name}: {error}") from error
    return notebook


def checked_results(notebook: nbformat.NotebookNode) -> list[Checked]:
    """The printed text of every cell tagged `nbval-check-output`, in order."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    return [
        Checked(number, output_text(cell))
        for number, cell in enumerate(code, start=1)
        if CHECKED in cell.metadata.get("tags", [])
    ]


def output_text(cell: nbformat.NotebookNode) -> str:
    """What a code cell printed and displayed, as plain text; pictures count for nothing."""
    texts = []
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            texts.append(output.text)
        elif "data" in output and not any(kind.startswith("image/") for kind in output.data):
            texts.append(output.data.get("text/plain", ""))
    return "\n".join(text.rstrip("\n") for text in texts if text.strip())


def save(notebook: nbformat.NotebookNode, path: str | Path) -> None:
    """Write a lesson, whole or not at all, with only the metadata that a diff should show."""
    notebook = nbformat.from_dict(notebook)
    spec = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict({"kernelspec": spec, "language_info": {"name": "python"}})
    for cell in notebook.cells:
        for key in ("execution", "ExecuteTime", "collapsed", "scrolled", "trusted"):
            cell.metadata.pop(key, None)
    _write(Path(path), nbformat.writes(notebook))


def surroundings(profile: Profile) -> dict:
    """What shaped a run: profile, seed, versions, device, threads.

    The device is asked for in a process of its own, so that this one never holds torch in memory.
    """
    asked = "import json; from trustlib import doctor; print(json.dumps(doctor.machine()))"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False)
    machine = json.loads(answer.stdout) if answer.returncode == 0 else {"device": "unknown", "threads": None}
    versions = {"python": platform.python_version(), "trustlib": trustlib.__version__}
    for package in RECORDED_VERSIONS:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {"profile": profile.name, "seed": profile.seed, "versions": versions} | machine


def record(runs: Sequence[LessonRun], facts: dict) -> str:
    """`run.json`: what a machine repeats exactly stands in `results`, what it does not in `lessons`."""
    lessons = [asdict(run) for run in runs]
    results = {lesson["name"]: lesson.pop("results") for lesson in lessons}
    return json.dumps(facts | {"lessons": lessons, "results": results}, indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    with atomic.file(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8", newline="\n")
