"""The standard that every lesson meets, as small rules; a rule yields what is wrong and where.

`lint(path)` applies all of RULES. What a rule cannot see (is the wrong answer tempting, is the figure
honest) is for a reader.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

import trustlib
from trustlib.course import exercises, run

MAX_LINES, MAX_EXERCISE_LINES, MAX_CORE_CELLS, MAX_BYTES = 10, 15, 40, 3_000_000
MIN_CHECKED, MIN_EXERCISES = 3, 3
SOURCED = "sourced"
EXERCISE_TAGS = {exercises.STUB, exercises.SETUP}

Found = Iterator[tuple[int | None, str]]


@dataclass(frozen=True)
class Problem:
    """One thing to mend; `cell` is the position in the notebook from 0, None for the whole lesson."""

    lesson: str
    cell: int | None
    message: str

    def __str__(self) -> str:
        where = self.lesson if self.cell is None else f"{self.lesson}, cell {self.cell}"
        return f"{where}: {self.message}"


@dataclass(frozen=True, eq=False)
class Lesson:
    """A notebook as the rules read it."""

    path: Path
    notebook: nbformat.NotebookNode

    @cached_property
    def code(self) -> list[tuple[int, nbformat.NotebookNode]]:
        """(position, cell) of every code cell that is not blank."""
        return [(i, c) for i, c in self._all if c.cell_type == "code" and c.source.strip()]

    @cached_property
    def prose(self) -> list[tuple[int, nbformat.NotebookNode, str]]:
        """(position, cell, text without fenced code) of every markdown cell."""
        return [(i, c, exercises.FENCED.sub("", c.source)) for i, c in self._all if c.cell_type == "markdown"]

    @cached_property
    def opening(self) -> str:
        """All text before the first code cell."""
        first = self.code[0][0] if self.code else len(self.notebook.cells)
        return "\n\n".join(text for i, _, text in self.prose if i < first)

    @cached_property
    def exercises(self) -> list[exercises.Exercise]:
        """The exercises of the notebook."""
        return exercises.exercises(self.notebook)

    def heading(self, title: str) -> int | None:
        """Where `## title` stands, or None."""
        line = re.compile(rf"^## {re.escape(title)}\s*$", re.MULTILINE)
        return next((i for i, _, text in self.prose if line.search(text)), None)

    def section(self, title: str) -> str:
        """The text under `## title` up to the next heading of level one or two, without fenced code."""
        text = "\n\n".join(text for _, _, text in self.prose)
        found = re.search(rf"^## {re.escape(title)}\s*$(.*?)(?=^##? |\Z)", text, re.MULTILINE | re.DOTALL)
        return found.group(1).strip() if found else ""

    @property
    def _all(self) -> list[tuple[int, nbformat.NotebookNode]]:
        return list(enumerate(self.notebook.cells))


def lint(path: str | Path) -> list[Problem]:
    """What a lesson lacks, in the order of the rules; empty when it meets the standard.

    Raises: DataError for a file that is no notebook.
    """
    lesson = Lesson(Path(path), run.read(path))
    return [Problem(lesson.path.stem, cell, message) for rule in RULES for cell, message in rule(lesson)]


def tags(cell: nbformat.NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


# The text


def title_has_the_number_of_the_file(lesson: Lesson) -> Found:
    number = lesson.path.stem[:2]
    first = lesson.notebook.cells[0] if lesson.notebook.cells else None
    if first is None or first.cell_type != "markdown" or not re.match(rf"# {number}\b.*\w", first.source):
        yield 0, f"expected the title `# {number} · …` first"


def opening_says_what_for(lesson: Lesson) -> Found:
    if not re.search(r"^\*\*The question\.?\*\*.*\?", lesson.opening, re.MULTILINE):
        yield 0, "expected `**The question.** …?` before the first code"
    if not re.search(r"After this you can.*\n+\s*[-*] \S", lesson.opening):
        yield 0, "expected `After this you can` and a list before the first code"
    if not re.search(r"^\*\*Prerequisites?\.?\*\* *\S", lesson.opening, re.MULTILINE):
        yield 0, "expected `**Prerequisites.** …` before the first code"
    if len(re.findall(r"\d+ minutes?", _line(lesson.opening, "**Time"))) < 2:
        yield 0, "expected `**Time.**` with the minutes of a person and of the machine before the first code"


def ends_with_recap_reading_next(lesson: Lesson) -> Found:
    places = []
    for title in ("Quiz", "Recap", "Further reading", "Next"):
        place = lesson.heading(title)
        if place is None or not lesson.section(title):
            yield place, f"expected a section `## {title}` with text"
        else:
            places.append(place)
    if places != sorted(places):
        yield None, "expected Quiz, Recap, Further reading, Next in this order"


def quiz_has_a_reason_for_every_choice(lesson: Lesson) -> Found:
    place, quiz = lesson.heading("Quiz"), lesson.section("Quiz")
    choice = re.compile(r"^[-*] \(([a-z])\) +(.*)$", re.MULTILINE)
    parts = re.split(r"<details>\s*<summary>Answers?</summary>(.*?)</details>", quiz, flags=re.DOTALL)
    if len(parts) < 3:
        yield place, "expected choices `- (a) …` and a folded `Answer` after each question of the quiz"
    for number, (question, answer) in enumerate(zip(parts[::2], parts[1::2], strict=False), start=1):
        asked = [letter for letter, _ in choice.findall(question)]
        reasoned = [letter for letter, reason in choice.findall(answer) if len(reason.split()) >= 4]
        if len(asked) < 2 or asked != reasoned:
            yield (
                place,
                f"expected two or more choices and a reason for each in question {number} of the quiz",
            )


def no_measured_result_is_typed(lesson: Lesson) -> Found:
    recap, after = lesson.heading("Recap"), lesson.heading("Further reading")
    for position, cell, text in lesson.prose:
        if SOURCED in tags(cell) or (recap is not None and recap <= position < (after or position + 1)):
            continue
        for line in text.splitlines():
            found = re.search(r"\d+\.\d+ ?%", line)
            if found and not line.lstrip().startswith(">"):
                yield (
                    position,
                    f"expected results to be computed, got `{found[0]}` typed (tag `{SOURCED}` if published)",
                )


# The code


def cells_are_short(lesson: Lesson) -> Found:
    for position, cell in lesson.code:
        scaffold = tags(cell) & EXERCISE_TAGS or exercises.CALLS_CHECK.search(cell.source)
        bound = MAX_EXERCISE_LINES if scaffold else MAX_LINES
        lines = [
            line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#")
        ]
        if len(lines) > bound:
            yield (
                position,
                f"expected at most {bound} lines of code, got {len(lines)}: split the idea or move it",
            )


def core_is_short(lesson: Lesson) -> Found:
    end = lesson.heading("Going further")
    core = [position for position, _ in lesson.code if end is None or position < end]
    if len(core) > MAX_CORE_CELLS:
        yield None, f"expected at most {MAX_CORE_CELLS} code cells before `## Going further`, got {len(core)}"


def imports_keep_the_module_visible(lesson: Lesson) -> Found:
    for position, node in _nodes(lesson):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "trustlib":
            for name in (alias.name for alias in node.names):
                is_class = name[0].isupper()
                if not is_class and not _is_module(f"{node.module}.{name}"):
                    yield position, f"expected modules or classes from {node.module}, got {name}"


def nothing_depends_on_the_profile(lesson: Lesson) -> Found:
    for position, node in _nodes(lesson):
        test = node.subject if isinstance(node, ast.Match) else getattr(node, "test", None)
        if test is not None and "profile" in ast.unparse(test).lower():
            yield position, "expected a size from the profile, got a condition on it"


def code_parses(lesson: Lesson) -> Found:
    for position, cell in lesson.code:
        if _parse(cell.source) is None:
            yield position, "expected Python, got a syntax error"


def paths_are_relative(lesson: Lesson) -> Found:
    absolute = re.compile(r"(?<![\w.:/<])/(home|root|tmp|Users|work|usr|var|opt|mnt|content)/|\b[A-Z]:\\\w")
    for position, cell in enumerate(lesson.notebook.cells):
        outputs = "\n".join(_texts(cell)) if cell.cell_type == "code" else ""
        found = absolute.search(f"{cell.source}\n{outputs}")
        if found:
            yield position, f"expected no absolute path, got `{found[0]}`"


# The outputs


def every_cell_was_executed_in_order(lesson: Lesson) -> Found:
    for number, (position, cell) in enumerate(lesson.code, start=1):
        if cell.execution_count != number:
            yield (
                position,
                f"expected to be executed as [{number}], got [{cell.execution_count}]: run the lesson again",
            )
            return  # all that follow are off too


def outputs_are_clean(lesson: Lesson) -> Found:
    for position, cell in lesson.code:
        for output in cell.outputs:
            if output.output_type == "error":
                yield position, f"expected no error, got {output.ename}"
            if output.output_type == "stream" and output.name == "stderr":
                yield (
                    position,
                    f"expected nothing on stderr, got `{output.text.strip().splitlines()[-1][:80]}`",
                )
        if any(re.search(r" at 0x[0-9a-f]+", text) for text in _texts(cell)):
            yield position, "expected outputs that repeat, got a memory address"


def checked_cells_print_facts(lesson: Lesson) -> Found:
    checked = [(position, cell) for position, cell in lesson.code if run.CHECKED in tags(cell)]
    if len(checked) < MIN_CHECKED:
        yield None, f"expected at least {MIN_CHECKED} cells tagged `{run.CHECKED}`, got {len(checked)}"
    for position, cell in checked:
        text = run.output_text(cell)
        if not text.strip():
            yield position, "expected a checked cell to print text, got none: nothing would be checked"
        exact = re.search(r"\d\.\d{4,}", text)
        if exact:
            yield position, f"expected at most 3 decimals in a checked output, got `{exact[0]}`"
        if any("data" in o and any(kind.startswith("image/") for kind in o.data) for o in cell.outputs):
            yield position, "expected a checked cell to show no picture: draw it in another cell"


def pictures_have_alternative_text(lesson: Lesson) -> Found:
    for position, cell in lesson.code:
        for output in (o for o in cell.outputs if "data" in o):
            for kind in (kind for kind in output.data if kind.startswith("image/")):
                if not str(output.metadata.get(kind, {}).get("alt", "")).strip():
                    yield (
                        position,
                        "expected alternative text for the picture: show it by plots.show(figure, alt)",
                    )
    for position, _, text in lesson.prose:
        if re.search(r"!\[\s*\]\(", text) or re.search(r"<img(?![^>]*\balt=\"[^\"]+\")", text):
            yield position, "expected alternative text for the picture: ![text](file)"


def file_is_small(lesson: Lesson) -> Found:
    size = lesson.path.stat().st_size
    if size > MAX_BYTES:
        yield (
            None,
            f"expected less than {MAX_BYTES / 1e6:.0f} MB, got {size / 1e6:.1f} MB: show fewer pictures",
        )


# The exercises


def exercises_are_complete(lesson: Lesson) -> Found:
    if len(lesson.exercises) < MIN_EXERCISES:
        yield None, f"expected at least {MIN_EXERCISES} exercises, got {len(lesson.exercises)}"
    for number, exercise in enumerate(lesson.exercises, start=1):
        if exercise.name != f"Exercise {number}":
            yield exercise.cell, f"expected the heading `### Exercise {number}`, got `### {exercise.name}`"
        parts = {
            f"a set-up cell tagged `{exercises.SETUP}` before it": exercise.setup,
            f"a stub cell tagged `{exercises.STUB}`": exercise.stub,
            "a code cell that calls `check`": exercise.check,
            "a folded `Solution` with a python block": exercise.solution,
        }
        for part, text in parts.items():
            if not text.strip():
                yield exercise.cell, f"expected {part} in {exercise.name}"
            elif _is_not_plain(text):
                yield (
                    exercise.cell,
                    f"expected plain Python as {part} in {exercise.name}: it runs without Jupyter",
                )


def stubs_do_not_pass(lesson: Lesson) -> Found:
    for exercise in (e for e in lesson.exercises if e.check):
        lines = exercise.check_output.splitlines()
        if not lines or not all(line.startswith("not yet") for line in lines):
            yield (
                exercise.cell,
                f"expected the recorded check of {exercise.name} to say `not yet`, got {lines or 'nothing'}",
            )


def answers_are_not_readable(lesson: Lesson) -> Found:
    for exercise in lesson.exercises:
        for node in ast.walk(_parse(exercise.check) or ast.Module([], [])):
            if not isinstance(node, ast.Call) or len(node.args) < 3:
                continue
            called, given = ast.unparse(node.func), node.args[2]
            computed = any(isinstance(part, ast.Name) for part in ast.walk(given))
            if called in ("check.number", "check.array") and not computed:
                yield exercise.cell, f"expected {exercise.name} to compute its answer, got it as a literal"
            if called == "check.function" and _uses_only_its_arguments(given):
                yield (
                    exercise.cell,
                    f"expected the reference of {exercise.name} elsewhere, got it beside the stub",
                )


RULES = (
    title_has_the_number_of_the_file,
    opening_says_what_for,
    ends_with_recap_reading_next,
    quiz_has_a_reason_for_every_choice,
    no_measured_result_is_typed,
    cells_are_short,
    core_is_short,
    imports_keep_the_module_visible,
    nothing_depends_on_the_profile,
    code_parses,
    paths_are_relative,
    every_cell_was_executed_in_order,
    outputs_are_clean,
    checked_cells_print_facts,
    pictures_have_alternative_text,
    file_is_small,
    exercises_are_complete,
    stubs_do_not_pass,
    answers_are_not_readable,
)


def _line(text: str, start: str) -> str:
    return next((line for line in text.splitlines() if line.startswith(start)), "")


def _texts(cell: nbformat.NotebookNode) -> Iterator[str]:
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        elif "data" in output:
            yield from (str(value) for kind, value in output.data.items() if kind.startswith("text/"))


def _parse(source: str) -> ast.Module | None:
    """The syntax tree of a cell, its magics turned into calls as Jupyter does; None if it is no Python."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return None


def _is_not_plain(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return True
    return False


def _uses_only_its_arguments(node: ast.AST) -> bool:
    if not isinstance(node, ast.Lambda):
        return False
    own = {argument.arg for argument in node.args.args}
    return {part.id for part in ast.walk(node.body) if isinstance(part, ast.Name)} <= own


def _nodes(lesson: Lesson) -> Iterator[tuple[int, ast.AST]]:
    for position, cell in lesson.code:
        for node in ast.walk(_parse(cell.source) or ast.Module([], [])):
            yield position, node


def _is_module(name: str) -> bool:
    """Whether a dotted name is a module of trustlib, told from the files without importing anything."""
    place = Path(trustlib.__file__).parent.joinpath(*name.split(".")[1:])
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()
