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
    parts = _parts(notebook)
    starts = [i for i, part in enumerate(parts) if not part.code and HEADING.match(part.text)]
    return [_exercise(parts, start) for start in starts]


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


@dataclass(frozen=True, eq=False)
class _Part:
    """A code cell, or a piece of a text cell that begins with a heading or holds none."""

    cell: int
    text: str
    code: nbformat.NotebookNode | None


def _parts(notebook: nbformat.NotebookNode) -> list[_Part]:
    parts = []
    for position, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            parts.append(_Part(position, cell.source, cell))
        elif cell.cell_type == "markdown":
            parts += [_Part(position, text, None) for text in _cut_before_headings(cell.source)]
    return parts


def _cut_before_headings(text: str) -> list[str]:
    # a comment in a fenced solution also begins with `# `
    fences = [found.span() for found in FENCED.finditer(text)]
    heads = [found.start() for found in SECTION.finditer(text)]
    cuts = [0, *(at for at in heads if at and not any(low <= at < high for low, high in fences)), len(text)]
    return [text[low:high] for low, high in zip(cuts, cuts[1:], strict=False)]


def _exercise(parts: list[_Part], start: int) -> Exercise:
    ends = (i for i in range(start + 1, len(parts)) if not parts[i].code and SECTION.match(parts[i].text))
    end = next(ends, len(parts))
    stub = check = output = ""
    for cell in (part.code for part in parts[start:end] if part.code):
        if STUB in cell.metadata.get("tags", []):
            stub = cell.source
        elif CALLS_CHECK.search(cell.source):
            check = cell.source
            output = "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")
    folded = SOLUTION.search("\n".join(part.text for part in parts[start:end] if not part.code))
    solution = "\n".join(PYTHON.findall(folded.group(1))) if folded else ""
    name = HEADING.match(parts[start].text).group(1)
    setup = _setup([part.code for part in parts[:end] if part.code])
    return Exercise(name, parts[start].cell, setup, stub, check, output, solution)


def _setup(cells: list[nbformat.NotebookNode]) -> str:
    return "\n".join(c.source for c in cells if SETUP in c.metadata.get("tags", []))
