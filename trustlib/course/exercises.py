"""The exercises of a lesson, read out of its notebook, and running one alone, as stub or as solution.

An exercise is a section `### Exercise N` with a cell tagged `exercise` (the stub), a code cell that calls
`check`, and a folded solution: `<details><summary>Solution</summary>` around a python block. What it needs
stands in cells tagged `exercise-setup` somewhere before it.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

from trustlib.errors import DataError

STUB, SETUP = "exercise", "exercise-setup"
HEADING = re.compile(r"^### (Exercise \d+)\b", re.MULTILINE)
SECTION = re.compile(r"^#{1,3} ", re.MULTILINE)
CALLS_CHECK = re.compile(r"^check\.\w+\(", re.MULTILINE)
SOLUTION = re.compile(r"<details>\s*<summary>Solution</summary>(.*?)</details>", re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
MARK = "-- from here on the check speaks --"


@dataclass(frozen=True)
class Exercise:
    """One exercise; an empty text is a part that the notebook lacks. `cell` is where its heading stands."""

    name: str
    cell: int
    setup: str
    stub: str
    check: str
    check_output: str
    solution: str


def exercises(notebook: nbformat.NotebookNode) -> list[Exercise]:
    """The exercises of a notebook, in order."""
    cells = notebook.cells
    starts = [i for i, c in enumerate(cells) if c.cell_type == "markdown" and HEADING.search(c.source)]
    return [_exercise(cells, start) for start in starts]


def run_exercise(
    exercise: Exercise, *, with_solution: bool, folder: str | Path = ".", timeout: float = 120
) -> str:
    """What the check prints when set-up, then stub or solution, then check run in a new interpreter.

    Args:
        folder: the working folder; that of the notebook.
        timeout: seconds.
    Raises: DataError when something else than the answer goes wrong, with the last line of the error.
    """
    answer = exercise.solution if with_solution else exercise.stub
    code = "\n".join([exercise.setup, answer, f"print({MARK!r})", exercise.check])
    return _python(code, exercise.name, folder, timeout).rpartition(MARK)[2].strip()


def run_setup(exercise: Exercise, *, folder: str | Path = ".", timeout: float = 120) -> float:
    """The processor seconds that an exercise's set-up takes alone, after Python itself has started."""
    code = f"{exercise.setup}\nimport time\nprint({MARK!r})\nprint(time.process_time())"
    return float(_python(code, exercise.name, folder, timeout).rpartition(MARK)[2])


def _python(code: str, name: str, folder: str | Path, timeout: float) -> str:
    environment = os.environ | {"TRUSTLIB_PROGRESS": "0", "MPLBACKEND": "agg", "HF_HUB_OFFLINE": "1"}
    environment |= {"PYTHONIOENCODING": "utf-8"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(
            f"expected {name} to run within {timeout:.0f} s, got no end; make it smaller"
        ) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"expected {name} to run alone, got {last}; put what it needs into its set-up cell")
    return done.stdout


def _exercise(cells: list, start: int) -> Exercise:
    ends = (i for i in range(start + 1, len(cells)) if _starts_section(cells[i]))
    end = next(ends, len(cells))
    stub = check = output = ""
    for cell in cells[start:end]:
        if cell.cell_type != "code":
            continue
        if STUB in cell.metadata.get("tags", []):
            stub = cell.source
        elif CALLS_CHECK.search(cell.source):
            check = cell.source
            output = "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")
    prose = "\n".join(c.source for c in cells[start:end] if c.cell_type == "markdown")
    folded = SOLUTION.search(prose)
    solution = "\n".join(PYTHON.findall(folded.group(1))) if folded else ""
    name = HEADING.search(cells[start].source).group(1)
    return Exercise(name, start, _setup(cells[:end]), stub, check, output, solution)


def _starts_section(cell: nbformat.NotebookNode) -> bool:
    # a comment in a folded solution also begins with `# `
    return cell.cell_type == "markdown" and bool(SECTION.search(FENCED.sub("", cell.source)))


def _setup(cells: list) -> str:
    tagged = (c.source for c in cells if c.cell_type == "code" and SETUP in c.metadata.get("tags", []))
    return "\n".join(tagged)
