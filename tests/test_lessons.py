"""The lessons themselves: their standard, their exercises, and that 01 and 02 fail when their point fails."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from trustlib import assets
from trustlib.course import exercises, kernel, lint, run

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
FILES = [path for path in NOTEBOOKS.glob("*") if path.is_file()]
LESSONS = run.lessons(NOTEBOOKS)
EXERCISES = [(path, exercise) for path in LESSONS for exercise in exercises.exercises(run.read(path))]

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
each_exercise = pytest.mark.parametrize(
    ("path", "exercise"), EXERCISES, ids=[f"{path.stem}-{exercise.name[9:]}" for path, exercise in EXERCISES]
)


def lesson(number):
    if not FILES:
        pytest.skip("no lesson is written yet")
    found = [path for path in LESSONS if path.stem.startswith(number)]
    assert found, f"notebooks/ has files, but no lesson {number}"
    return found[0]


@pytest.mark.parametrize("number", ["00", "01", "02"])
def test_the_opening_lessons_exist(number):
    assert lesson(number).is_file()


@each_lesson
def test_lesson_meets_the_standard(path):
    assert [str(problem) for problem in lint.lint(path)] == []


@pytest.mark.slow
@each_exercise
def test_the_folded_solution_passes_and_the_stub_does_not(path, exercise):
    solved = exercises.run_exercise(exercise, with_solution=True, folder=NOTEBOOKS)
    unsolved = exercises.run_exercise(exercise, with_solution=False, folder=NOTEBOOKS)
    assert {line.split(":")[0] for line in solved.splitlines()} == {"correct"}
    assert unsolved.startswith("not yet") and "correct" not in unsolved


@pytest.mark.slow
@each_lesson
def test_the_set_up_of_exercises_takes_less_than_five_seconds(path):
    last = exercises.exercises(run.read(path))[-1]
    assert min(exercises.run_setup(last, folder=NOTEBOOKS) for _ in range(2)) < 5


# A lesson must notice when its point fails


def first_checked_difference(notebook, fault, number, folder, tmp_path):
    """What a sabotaged run prints in the first checked cell that differs from the recorded one, beside it.

    The cache is empty, so no model trained honestly before can help. The run ends at the difference,
    which is where nbval would have failed; until there it trains as the lesson does. A cell that raises is
    passed over, as by nbval, and does not count as noticing.
    """
    differences = []

    def differs(position, cell):
        if run.CHECKED in cell.metadata.get("tags", []):
            recorded, now = run.output_text(notebook.cells[position]), run.output_text(cell)
            if recorded != now:
                differences.append((recorded, now))
        return bool(differences)

    done = kernel.execute(
        notebook,
        folder=folder,
        startup=(
            f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import sabotage; "
            f"sabotage.{fault}({number!r})"
        ),
        environment={
            "TRUSTLIB_CACHE": str(tmp_path / "cache"),
            "TRUSTLIB_ASSETS": str(assets.cache_folder() / "assets"),
            "TRUSTLIB_PROFILE": "lite",
        },
        go_on=True,
        enough=differs,
    )
    return differences[0] if differences else None, done.failure


FAULTS = ["no_op_finetune", "shuffled_labels"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", ["01", "02"])
def test_a_checked_cell_fails_when_the_lessons_point_fails(number, fault, tmp_path):
    path = lesson(number)
    difference, failure = first_checked_difference(run.read(path), fault, number, NOTEBOOKS, tmp_path)
    assert failure is None, f"the lesson stopped: {failure}"
    assert difference is not None, f"no checked cell of {path.stem} noticed {fault}"


WATCHED = """
import dataclasses
from trustlib import finetune, tasks
from trustlib.tasks import solar
assert tasks.solar_cells is solar.solar_cells
class Network: pass
task = dataclasses.replace(tasks.iris(), name="solar-cells-random")
try:
    history = finetune.finetune(Network(), task, epochs=3)
    print(len(history.train_loss), history.recipe)
except Exception as error:
    print("trained")
print(tasks.solar_cells().train.labels[:12])
print("honest")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "says"), [("no_op_finetune", "3 {'epochs': 3}"), ("shuffled_labels", "trained")]
)
def test_each_fault_is_planted_and_noticed(fault, says, tmp_path):
    tagged = {"tags": [run.CHECKED]}
    cells = [new_code_cell("print('same')", metadata=tagged), new_code_cell(WATCHED, metadata=tagged)]
    honest = kernel.execute(new_notebook(cells=cells), folder=tmp_path).notebook
    assert "trained" in run.output_text(honest.cells[1]) and "honest" in run.output_text(honest.cells[1])
    difference, failure = first_checked_difference(honest, fault, "01", tmp_path, tmp_path)
    assert failure is None
    recorded, now = (text.splitlines() for text in difference)
    assert now[0] == says
    assert (recorded[1] != now[1]) == (fault == "shuffled_labels")


def test_a_lesson_that_prints_the_same_notices_nothing(tmp_path):
    cell = new_code_cell("print('same')", metadata={"tags": [run.CHECKED]})
    cell.outputs = [nbformat.v4.new_output("stream", text="same\n")]
    nothing = first_checked_difference(
        new_notebook(cells=[cell]), "shuffled_labels", "01", tmp_path, tmp_path
    )
    assert nothing == (None, None)
