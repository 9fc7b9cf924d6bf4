"""Exercise checks: not yet, not quite with a reason, correct; and never the answer."""

import numpy as np
import pytest
from lesson_fixture import good_lesson

from trustlib import estimates
from trustlib.course import check, exercises
from trustlib.errors import DataError


@pytest.fixture
def said(capsys):
    """What a check printed since the last look, without the line's end."""
    return lambda: capsys.readouterr().out.strip()


def explode():
    raise RuntimeError("asked for the expected value")


@pytest.mark.parametrize("unfilled", [..., None, [1, ...], (..., ...), {"a": ...}])
def test_an_unfilled_stub_is_not_yet_and_asks_for_nothing(unfilled, said):
    check.number("A", unfilled, explode)
    check.array("B", unfilled, explode)
    check.choice("C", unfilled, "key")
    check.function("D", unfilled, explode, [(1,)])
    check.holds("E", unfilled, {"x": explode})
    lines = said().splitlines()
    assert [line.split(":")[:2] for line in lines] == [["not yet", f" {name}"] for name in "ABCDE"]


def test_a_function_that_returns_nothing_or_is_not_implemented_is_not_yet(said):
    def stub(x):
        raise NotImplementedError

    check.function("D", stub, abs, [(1,)])
    check.function("D", lambda x: ..., abs, [(1,)])
    check.function("D", lambda x: None, abs, [(1,)])
    assert [line[:10] for line in said().splitlines()] == ["not yet: D"] * 3


@pytest.mark.parametrize(
    "answer", [0.25, np.float32(0.25), np.array(0.25), 0.2505, estimates.Estimate(0.25, 0.1, 0.4, 9)]
)
def test_a_right_number_is_correct_whatever_carries_it(answer, said):
    check.number("A", answer, lambda: 0.25)
    assert said() == "correct: A"


def test_a_tensor_is_a_number_or_an_array(said):
    torch = pytest.importorskip("torch")
    check.number("A", torch.tensor(0.25, requires_grad=True), 0.25)
    check.array("B", torch.tensor([1.0, 2.0], requires_grad=True), [1, 2])
    assert said() == "correct: A\ncorrect: B"


@pytest.mark.parametrize(
    ("answer", "expected", "says"),
    [
        (25, 0.25, "100 times too large; is it a percentage"),
        (0.0025, 0.25, "100 times too small"),
        (-0.25, 0.25, "its sign is wrong"),
        (0.75, 0.25, "the share of the other outcome"),
        (0.5, 0.25, "it is too large"),
        (0.1, 0.25, "it is too small"),
        (float("nan"), 0.25, "yours is nan: something was divided by zero"),
        (float("inf"), 0.25, "yours is inf"),
        ("0.25", 0.25, "one number is asked for; yours is '0.25', a text"),
        (True, 1.0, "yours is True, a truth value"),
        ([0.25], 0.25, "one number is asked for; yours is a list of 1"),
        (np.zeros((2, 3)), 0.25, "yours is an array of shape (2, 3)"),
        ({}, 0.25, "yours is a dict of 0"),
        (print, 0.25, "yours is a function"),
        (object(), 0.25, "yours is of type object"),
    ],
)
def test_a_wrong_number_is_told_what_is_wrong_and_not_the_answer(answer, expected, says, said):
    check.number("A", answer, expected, hint="look at n")
    line, hint = said().splitlines()
    assert line.startswith("not quite: A: ") and says in line
    assert hint == "hint: look at n"
    if "0.25" not in repr(answer):
        assert "0.25" not in line


def test_a_coincidence_under_a_generous_tolerance_is_no_diagnosis(said):
    check.number("A", 5.0, 0.02, tolerance=0.05)
    assert said() == "not quite: A: it is too large"


def test_a_foreseen_mistake_is_named(said):
    mistakes = {"that is the training split": lambda: 0.9, "that is chance": 0.5}
    check.number("A", 0.5, 0.8, mistakes=mistakes)
    check.number("A", 0.9, 0.8, mistakes=mistakes)
    check.array("B", [1, 1], [2, 2], mistakes={"that is before": [1, 1]})
    assert [line.split(": ")[2] for line in said().splitlines()] == [
        "that is chance",
        "that is the training split",
        "that is before",
    ]


@pytest.mark.parametrize(
    ("answer", "expected", "says"),
    [
        ([1, 2, 4], [1, 2, 3], "1 of 3 values is wrong, the first at index 2"),
        ([[1, 0], [0, 0]], [[1, 2], [0, 4]], "2 of 4 values are wrong, the first at index (0, 1)"),
        ([1, 2], [1, 2, 3], "the shape asked for is (3,); yours is (2,)"),
        (5, [1, 2, 3], "the shape asked for is (3,); yours is ()"),
        (["a", "b"], [1, 2], "numbers are asked for; yours are texts"),
        ([1, 2], ["a", "b"], "texts are asked for; yours are numbers"),
        ([None, 2], [1, 2], "numbers are asked for; yours are values of mixed kinds"),
        ([[1], [1, 2]], [1, 2], "an array is asked for; yours is a list of 2"),
        ([1.0, np.nan], [1.0, 2.0], "1 of 2 values is wrong, the first at index 1"),
    ],
)
def test_a_wrong_array_is_told_what_is_wrong(answer, expected, says, said):
    check.array("B", answer, expected)
    assert said() == f"not quite: B: {says}"


def test_right_arrays_are_correct(said):
    pandas = pytest.importorskip("pandas")
    check.array("B", pandas.Series(["a", "b"]), ["a", "b"])
    check.array("B", (1, 2.0000001), lambda: np.array([1, 2]))
    check.array("B", [np.nan, 1], [np.nan, 1])
    assert said() == "\n".join(["correct: B"] * 3)


def test_a_choice_is_checked_without_holding_the_letter(said):
    key = check.choice_key("C", "b")
    assert key != check.choice_key("another", "b")
    for answer in ("b", " B ", "(b)"):
        check.choice("C", answer, key)
    assert said() == "\n".join(["correct: C"] * 3)
    check.choice("C", "a", key, hint="think of n")
    assert said() == "not quite: C: it is not (a)\nhint: think of n"


@pytest.mark.parametrize("answer", ["d", "", "ab", 1, ["a"]])
def test_a_choice_outside_the_letters_is_told_the_letters(answer, said):
    check.choice("C", answer, check.choice_key("C", "b"))
    assert "one letter among 'a', 'b', 'c'; yours is" in said()


def test_a_right_function_is_correct_for_each_kind_of_result(said):
    check.function("D", lambda x: x * x, lambda x: x**2, [(2,), (3.5,)])
    check.function("D", lambda x: [x, x], lambda x: np.array([x, x]), [(1,)])
    check.function("D", lambda x: x > 1, lambda x: bool(x > 1), [(np.float64(2),), (0,)])
    check.function("D", str.upper, lambda s: s.upper(), [("a",)])
    assert said() == "\n".join(["correct: D"] * 4)


@pytest.mark.parametrize(
    ("learners", "reference", "cases", "says"),
    [
        (lambda x: x * 2, lambda x: x * x, [(2,), (3,)], "for (3) it returned 6, which is too small"),
        (lambda x, y: 1 / 0, max, [(1, 2)], "for (1, 2) it raised ZeroDivisionError: division by zero"),
        (lambda: 1, abs, [(1,)], "it raised TypeError"),
        (
            lambda x: x if x > 1 else None,
            abs,
            [(2,), (1,)],
            "for (1) it returned None, so a path through it lacks",
        ),
        (lambda x: "a", abs, [(2,)], "it returned 'a', but one number is asked for"),
        (lambda x: x == 3, lambda x: x == 2, [(2,)], "it returned False, which is wrong"),
        (lambda x: 1, lambda x: True, [(2,)], "it returned 1, but a truth value is asked for"),
        (lambda x: [1, 2], lambda x: [1, 2, 3], [(2,)], "but the shape asked for is (3,); yours is (2,)"),
        (5, abs, [(2,)], "a function is asked for; yours is 5"),
    ],
)
def test_a_wrong_function_is_shown_the_case(learners, reference, cases, says, said):
    check.function("D", learners, reference, cases)
    line = said()
    assert line.startswith("not quite: D: ") and says in line


def test_a_function_that_changes_its_arguments_does_not_change_the_cases(said):
    def sort_in_place(values):
        values.sort()
        return values

    cases = [([3, 1, 2],)]
    check.function("D", sort_in_place, sorted, cases)
    assert said() == "correct: D"
    assert cases == [([3, 1, 2],)]


def test_long_values_are_shortened(said):
    check.function("D", lambda x: 0, len, [("word " * 100,)])
    line = said()
    assert len(line) < 120 and "wor…" in line


def test_holds_says_the_first_that_fails(said):
    facts = {"it is empty": lambda x: len(x) > 0, "it is not sorted": lambda x: sorted(x) == x}
    check.holds("E", [], facts)
    check.holds("E", [2, 1], facts)
    check.holds("E", [1, 2], facts)
    check.holds("E", 5, facts, hint="a list")
    assert said().splitlines() == [
        "not quite: E: it is empty",
        "not quite: E: it is not sorted",
        "correct: E",
        "not quite: E: 5 could not be examined (TypeError: object of type 'int' has no len())",
        "hint: a list",
    ]


# Exercises read out of a notebook


def test_exercises_are_read_with_their_parts():
    first, second, third = exercises.exercises(good_lesson())
    assert (first.name, second.name, third.name) == ("Exercise 1", "Exercise 2", "Exercise 3")
    assert first.stub == "answer_1 = ..."
    assert first.solution == "# the sum of both\nanswer_1 = sum(values)\n"
    assert first.check.startswith('check.number("Exercise 1"')
    assert "values = [1, 2]" in first.setup and first.setup == third.setup
    assert first.check_output.startswith("not yet")


def test_a_solution_and_the_next_exercise_may_share_a_cell():
    apart = good_lesson()
    together = good_lesson()
    cells = together.cells
    first = next(i for i, cell in enumerate(cells) if "answer_1 = sum" in cell.source)
    cells[first].source += "\n\n" + cells.pop(first + 1).source
    assert [vars(e) | {"cell": 0} for e in exercises.exercises(together)] == [
        vars(e) | {"cell": 0} for e in exercises.exercises(apart)
    ]


def test_a_solution_is_correct_and_a_stub_is_not_yet(tmp_path):
    first = exercises.exercises(good_lesson())[0]
    assert exercises.run_exercise(first, with_solution=True, folder=tmp_path) == "correct: Exercise 1"
    assert exercises.run_exercise(first, with_solution=False, folder=tmp_path).startswith(
        "not yet: Exercise 1"
    )


def test_a_set_up_that_does_not_stand_alone_is_named(tmp_path):
    notebook = good_lesson()
    for cell in notebook.cells:
        if cell.source.startswith("from trustlib.course import check\nvalues"):
            cell.source = "values = defined_elsewhere"
    first = exercises.exercises(notebook)[0]
    with pytest.raises(
        DataError, match="expected Exercise 1 to run alone, got NameError: name 'defined_elsewhere'"
    ):
        exercises.run_exercise(first, with_solution=True, folder=tmp_path)


def test_an_exercise_without_end_is_named(tmp_path):
    first = exercises.exercises(good_lesson())[0]
    endless = exercises.Exercise(**{**vars(first), "solution": "while True: pass"})
    with pytest.raises(DataError, match="expected Exercise 1 to run within 2 s"):
        exercises.run_exercise(endless, with_solution=True, folder=tmp_path, timeout=2)


def test_set_up_seconds_are_measured(tmp_path):
    first = exercises.exercises(good_lesson())[0]
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    slow = exercises.Exercise(**{**vars(first), "setup": burn})
    assert 0.5 <= exercises.run_setup(slow, folder=tmp_path) < 1
