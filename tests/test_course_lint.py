"""The lesson standard: a good lesson passes, and each rule finds the fault that it is there for."""

import nbformat
import pytest
from lesson_fixture import good_lesson, picture, printed
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from trustlib.course import lint
from trustlib.errors import DataError


def problems(notebook, tmp_path, *, name="01_small.ipynb"):
    path = tmp_path / name
    nbformat.write(notebook, path)
    return lint.lint(path)


def cell_with(notebook, text):
    return next(cell for cell in notebook.cells if text in cell.source)


def number_cells(notebook):
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = number


def insert_code(notebook, position, source, **options):
    notebook.cells.insert(position, new_code_cell(source, **options))
    number_cells(notebook)


def test_good_lesson_has_no_problem(tmp_path):
    assert problems(good_lesson(), tmp_path) == []


def test_a_comment_in_a_folded_solution_does_not_end_the_exercise(tmp_path):
    assert "# the sum" in cell_with(good_lesson(), "Solution").source
    assert problems(good_lesson(), tmp_path) == []


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    (tmp_path / "01_x.ipynb").write_text("{}")
    with pytest.raises(DataError, match="expected a Jupyter notebook, got 01_x.ipynb"):
        lint.lint(tmp_path / "01_x.ipynb")


# each entry: (the rule, what breaks the lesson, what the message says)


def replace(old, new):
    def change(notebook):
        cell = cell_with(notebook, old)
        cell.source = cell.source.replace(old, new)

    return change


def output_of(text, *outputs):
    def change(notebook):
        cell_with(notebook, text).outputs = list(outputs)

    return change


def untag(text):
    def change(notebook):
        cell_with(notebook, text).metadata.tags = []

    return change


def append_prose(text):
    return lambda notebook: notebook.cells.insert(1, new_markdown_cell(text))


def append_code(source, **options):
    return lambda notebook: insert_code(notebook, 6, source, **options)


def drop(text):
    def change(notebook):
        notebook.cells.remove(cell_with(notebook, text))
        number_cells(notebook)

    return change


def swap_recap_and_next(notebook):
    recap, following = cell_with(notebook, "## Recap"), cell_with(notebook, "## Next")
    recap.source, following.source = following.source, recap.source


def many_cells(notebook):
    for _ in range(40):
        insert_code(notebook, 6, "1")


def skip_a_number(notebook):
    cell_with(notebook, "0.125").execution_count = 30


def unrun(notebook):
    cell_with(notebook, "0.125").execution_count = None


def huge(notebook):
    cell_with(notebook, "better").outputs = [printed("better")]
    cell_with(notebook, "a picture").outputs = [picture("x" * 3_000_001)]


LONG = "\n".join(f"x_{i} = {i}" for i in range(11))
SIXTEEN = "from trustlib.course import check\nvalues = [1, 2]\n" + "\n".join(
    f"x_{i} = {i}" for i in range(14)
)
ERROR = new_output("error", ename="ValueError", evalue="no", traceback=[])
SHOWN = new_output("display_data", data={"image/png": "iVBO", "text/plain": "<Figure>"}, metadata={})
EXERCISE_1 = 'check.number("Exercise 1", answer_1, lambda: values[0] + values[1])'

FAULTS = [
    ("title_has_the_number_of_the_file", replace("# 01", "# 02"), "expected the title `# 01"),
    ("title_has_the_number_of_the_file", replace("# 01 · A small lesson", "# 01"), "expected the title"),
    ("opening_says_what_for", replace("**The question.** Is two more than one?", ""), "The question"),
    ("opening_says_what_for", replace("- compare numbers", ""), "After this you can"),
    ("opening_says_what_for", replace("**Prerequisites.** none", ""), "Prerequisites"),
    (
        "opening_says_what_for",
        replace(", 1 minute for the machine", ""),
        "minutes of a person and of the machine",
    ),
    ("ends_with_recap_reading_next", drop("## Recap"), "expected a section `## Recap`"),
    ("ends_with_recap_reading_next", replace("Peano (1889).", ""), "expected a section `## Further reading`"),
    ("ends_with_recap_reading_next", drop("## Next"), "expected a section `## Next`"),
    ("ends_with_recap_reading_next", drop("## Quiz"), "expected a section `## Quiz`"),
    ("ends_with_recap_reading_next", swap_recap_and_next, "in this order"),
    ("quiz_has_a_reason_for_every_choice", replace("- (a) wrong: one comes before two\n", ""), "question 1"),
    (
        "quiz_has_a_reason_for_every_choice",
        replace("right: two comes after one", "right"),
        "a reason for each",
    ),
    ("quiz_has_a_reason_for_every_choice", replace("<details><summary>Answer", "<summary>Answer"), "folded"),
    ("no_measured_result_is_typed", append_prose("Accuracy is 87.4 %."), "got `87.4 %` typed"),
    ("cells_are_short", append_code(LONG), "at most 10 lines of code, got 11"),
    ("cells_are_short", replace("values = [1, 2]", SIXTEEN), "at most 15 lines of code, got 17"),
    ("core_is_short", many_cells, "at most 40 code cells"),
    ("imports_keep_the_module_visible", append_code("from trustlib.estimates import *"), "got *"),
    (
        "imports_keep_the_module_visible",
        append_code("from trustlib.estimates import proportion"),
        "got proportion",
    ),
    ("imports_keep_the_module_visible", append_code("from trustlib import __version__"), "got __version__"),
    ("nothing_depends_on_the_profile", append_code("if profile.name == 'lite':\n    x = 1"), "condition"),
    ("nothing_depends_on_the_profile", append_code("n = 1 if profile.name == 'lite' else 2"), "condition"),
    ("code_parses", append_code("x = = 1"), "syntax error"),
    ("paths_are_relative", append_code("open('/home/me/x.png')"), "got `/home/`"),
    ("paths_are_relative", append_prose("see C:\\Users"), "got `C:"),
    ("paths_are_relative", output_of("'a picture'", printed("saved /tmp/x")), "got `/tmp/`"),
    ("every_cell_was_executed_in_order", skip_a_number, "executed as [3]"),
    ("every_cell_was_executed_in_order", unrun, "got [None]"),
    ("outputs_are_clean", output_of("'a picture'", ERROR), "got ValueError"),
    (
        "outputs_are_clean",
        output_of("'a picture'", new_output("stream", name="stderr", text="warn\n")),
        "got `warn`",
    ),
    ("outputs_are_clean", output_of("'a picture'", printed("<Axes at 0x7f3a>")), "memory address"),
    ("checked_cells_print_facts", untag("0.125"), "at least 3 cells"),
    ("checked_cells_print_facts", output_of("0.125"), "expected a checked cell to print text, got none"),
    ("checked_cells_print_facts", output_of("0.125", printed("  \n")), "print text, got none"),
    ("checked_cells_print_facts", output_of("0.125", printed("0.1254\n")), "got `0.1254`"),
    ("checked_cells_print_facts", output_of("0.125", printed("a"), picture("A dot")), "no picture"),
    ("pictures_have_alternative_text", output_of("'a picture'", picture("  ")), "alternative text"),
    ("pictures_have_alternative_text", output_of("'a picture'", SHOWN), "alternative text"),
    ("pictures_have_alternative_text", append_prose("![](map.png)"), "alternative text"),
    ("pictures_have_alternative_text", append_prose('<img src="map.png">'), "alternative text"),
    ("file_is_small", huge, "less than 3 MB"),
    (
        "exercises_are_complete",
        replace("### Exercise 3", "### Something else"),
        "at least 3 exercises, got 2",
    ),
    ("exercises_are_complete", replace("### Exercise 3", "### Exercise 4"), "got `### Exercise 4`"),
    ("exercises_are_complete", untag("values = [1, 2]"), "set-up cell tagged"),
    ("exercises_are_complete", untag("answer_2 = ..."), "stub cell tagged `exercise` in Exercise 2"),
    ("exercises_are_complete", drop('check.number("Exercise 2"'), "calls `check` in Exercise 2"),
    ("exercises_are_complete", drop("answer_2 = sum"), "folded `Solution` with a python block in Exercise 2"),
    (
        "exercises_are_complete",
        replace("values = [1, 2]", "values = [1, 2]\n%time 1"),
        "expected plain Python",
    ),
    (
        "stubs_do_not_pass",
        output_of(EXERCISE_1, printed("correct: Exercise 1\n")),
        "Exercise 1 to say `not yet`",
    ),
    ("stubs_do_not_pass", output_of(EXERCISE_1), "got nothing"),
    (
        "answers_are_not_readable",
        replace("answer_1, lambda: values[0] + values[1]", "answer_1, 3"),
        "literal",
    ),
    (
        "answers_are_not_readable",
        replace("answer_1, lambda: values[0] + values[1]", "answer_1, -3.5"),
        "literal",
    ),
    (
        "answers_are_not_readable",
        replace(
            'check.number("Exercise 1", answer_1, lambda: values[0] + values[1]',
            "check.function('', f, lambda x: x, []",
        ),
        "beside the stub",
    ),
]


@pytest.mark.parametrize(("rule", "breaks", "message"), FAULTS)
def test_rule_finds_its_fault(rule, breaks, message, tmp_path):
    notebook = good_lesson()
    breaks(notebook)
    path = tmp_path / "01_small.ipynb"
    nbformat.write(notebook, path)
    lesson = lint.Lesson(path, notebook)
    (applied,) = [function for function in lint.RULES if function.__name__ == rule]
    found = "\n".join(text for _, text in applied(lesson))
    assert message in found


def test_every_rule_has_a_fault():
    assert {rule.__name__ for rule in lint.RULES} == {rule for rule, _, _ in FAULTS}


@pytest.mark.parametrize(
    "allowed",
    [
        append_prose("> The paper reports 91.2 %."),
        append_code("from trustlib.course import check, profiles\nfrom trustlib import tasks"),
        append_code("%matplotlib inline\nimport numpy as np"),
        append_code("# " + "\n# ".join("abcdefghijklm") + "\n\nx = 1"),
        append_code("from trustlib.classifiers import ImageClassifier"),
        replace(EXERCISE_1, "values_of = sum\ncheck.function('', answer_1, lambda x: values_of(x), [])"),
        append_prose("[a paper](https://example.org/home/x)"),
        replace("## Recap", "## Going further\nMore.\n\n## Recap"),
    ],
)
def test_what_the_standard_allows_is_no_problem(allowed, tmp_path):
    notebook = good_lesson()
    allowed(notebook)
    assert problems(notebook, tmp_path) == []


def test_a_sourced_cell_may_quote_published_figures(tmp_path):
    notebook = good_lesson()
    notebook.cells.insert(1, new_markdown_cell("Reported: 80.9 %.", metadata={"tags": ["sourced"]}))
    assert problems(notebook, tmp_path) == []


def test_cells_after_going_further_do_not_count(tmp_path):
    notebook = good_lesson()
    end = notebook.cells.index(cell_with(notebook, "## Quiz"))
    notebook.cells.insert(end, new_markdown_cell("## Going further\nMore."))
    for _ in range(40):
        insert_code(notebook, end + 1, "1")
    assert problems(notebook, tmp_path) == []


def test_problem_names_lesson_and_cell(tmp_path):
    notebook = good_lesson()
    append_code("x = = 1")(notebook)
    assert "01_small, cell 6: expected Python, got a syntax error" in map(str, problems(notebook, tmp_path))
