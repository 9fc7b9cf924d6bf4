import numpy as np
import pytest

from trustlib import accuracy
from trustlib.errors import DataError
from trustlib.predictions import Predictions

HEAD = "label,p_no,p_yes\n"


def load(tmp_path, content, name="answers.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return Predictions.load(path)


def test_the_columns_of_a_saved_table(tmp_path):
    answers = Predictions(
        [[0.9, 0.1], [0.25, 0.75]],
        [0, 1],
        ("no", "yes"),
        ids=["a", "b,1"],
        human_probs=[[1, 0], [np.nan, np.nan]],
        groups=[7, 8],
    )
    text = answers.save(tmp_path / "answers.csv").read_text(encoding="utf-8")
    assert text.splitlines() == [
        "id,label,p_no,p_yes,group,human_no,human_yes",
        "a,no,0.9,0.1,7,1.0,0.0",
        '"b,1",yes,0.25,0.75,8,,',
    ]


def test_every_digit_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(3), size=50)
    answers = Predictions(probs, rng.integers(0, 3, 50), ("a", "b", 'ü, "c"\n'[:-1]))
    after = Predictions.load(answers.save(tmp_path / "answers.csv"))
    np.testing.assert_array_equal(after.probs, answers.probs)
    assert after.classes == answers.classes


def test_a_table_of_another_tool_is_read_and_measured(tmp_path):
    answers = load(tmp_path, "split,label,p_no,p_yes\n" + "test,no,0.9,0.1\ntest,yes,0.6,0.4\n")
    assert answers.classes == ("no", "yes")
    assert answers.labels.tolist() == [0, 1]
    assert (answers.ids, answers.groups, answers.human_probs) == (None, None, None)
    assert accuracy.evaluate(answers.probs, answers.labels).accuracy.value == 0.5


@pytest.mark.parametrize(
    "content",
    [
        HEAD + "no,0.9,0.1\nyes,0.25,0.75\n",
        HEAD + "0,0.9,0.1\n1,0.25,0.75",
        HEAD.replace(",", ";") + "no;0.9;0.1\nyes;0.25;0.75\n",
        HEAD.replace(",", "\t") + "no\t0.9\t0.1\r\nyes\t0.25\t0.75\r\n",
        "\ufeff" + HEAD + "no,0.9,0.1\nyes,0.25,0.75\n",
        "label, p_no, p_yes\n no , 0.9, 0.1\n\n yes , 2.5e-1, 0.75\n,,\n",
        '"label","p_no","p_yes"\n"no","0.9","0.1"\n"yes","0.25","0.75"\n',
        "p_no,note,p_yes,label\n0.9,,0.1,no\n0.25,x,0.75,yes\n",
    ],
    ids=[
        "names",
        "numbers",
        "semicolons",
        "tabs",
        "byte order mark",
        "spaces and empty lines",
        "quoted",
        "order",
    ],
)
def test_many_ways_to_write_one_table(tmp_path, content):
    answers = load(tmp_path, content)
    np.testing.assert_array_equal(answers.probs, [[0.9, 0.1], [0.25, 0.75]])
    assert answers.labels.tolist() == [0, 1]
    assert answers.classes == ("no", "yes")


def test_a_label_is_a_name_before_it_is_a_number(tmp_path):
    table = "label,p_1,p_0\n1,0.9,0.1\n0,0.25,0.75\n"  # the class called 1 is the first
    assert load(tmp_path, table).labels.tolist() == [0, 1]


def test_ids_are_numbers_only_where_all_are(tmp_path):
    def ids(first, second):
        return load(tmp_path, f"id,label,p_a,p_b\n{first},a,1,0\n{second},b,0,1\n").ids

    assert ids(12, -3).tolist() == [12, -3]
    for first, second in (
        ("007", "8"),
        ("12", "x"),
        ("1.0", "2"),
        ("--5", "1"),
        ("1_0", "1"),
        ("9" * 30, "1"),
    ):
        assert ids(first, second).tolist() == [first, second]


def test_an_empty_optional_column_is_no_column(tmp_path):
    answers = load(tmp_path, "id,label,p_a,p_b,group\n,a,1,0,\n,b,0,1,\n")
    assert (answers.ids, answers.groups) == (None, None)


def test_rows_that_nobody_judged_are_nan(tmp_path):
    answers = load(tmp_path, "label,p_a,p_b,human_b,human_a\na,1,0,0.2,0.8\nb,0,1,,\n")
    np.testing.assert_array_equal(answers.human_probs, [[0.8, 0.2], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "columns label and p_<class> for 2 classes or more in answers.csv, got none"),
        ("\n\n", "got none; name them so"),
        ("a,b\n1,2\n", "got a, b; name them so in the first line"),
        ("label,p_a\na,1\n", "for 2 classes or more"),
        ("p_a,p_b\n1,0\n", "expected the columns label"),
        ("label,p_a,p_b,p_a\na,1,0,1\n", "each column of answers.csv once, got p_a twice"),
        (HEAD, "samples below the first line of answers.csv, got none"),
        (HEAD + "no,0.9,0.1\nno,0.9\n", "3 fields in line 3 of answers.csv, as in its first line, got 2"),
        (HEAD + "no,0,9,0,1\n", "3 fields in line 2 .* got 5; .* decimal points"),
        (HEAD + "no,0.9,x\n", "number from 0 to 1 in column p_yes, line 2 of answers.csv, got 'x'"),
        (
            "label;p_no;p_yes\nno;0,9;0,1\n",
            "column p_no, line 2 of answers.csv, got '0,9'; write it like 0.25",
        ),
        (HEAD + "no,0.9,\n", "column p_yes, line 2 of answers.csv, got ''"),
        (HEAD + "\nno,0.9,0.1\nno,nan,0.1\n", "column p_no, line 4 of answers.csv, got nan"),
        (HEAD + "no,2.5,-1.5\n", "column p_no, line 2 .* got 2.5; write probabilities, not logits"),
        (HEAD + "no,inf,0\n", "column p_no, line 2 .* got inf"),
        (
            HEAD + "no,0.9,0.1\nno,0.9,0.2\n",
            r"p_<class> that sum to 1 in line 3 of answers.csv, got a sum of 1.1",
        ),
        (HEAD + "maybe,0.9,0.1\n", "one of no, yes, or a number .* column label, line 2 .* got 'maybe'"),
        (HEAD + "no,0.9,0.1\n1,0.9,0.1\n", "column label, line 3 of answers.csv, got '1'"),
        (HEAD + "2,0.9,0.1\n", "number from 0 to 1 in every line, in column label, line 2 .* got '2'"),
        (HEAD + "-1,0.9,0.1\n", "got '-1'"),
        (HEAD + "1.0,0.9,0.1\n", "got '1.0'"),
        (HEAD + ",0.9,0.1\n", "column label, line 2 of answers.csv, got ''"),
        ("group,label,p_a,p_b\ng,a,1,0\n,b,0,1\n", "text or a number in column group, line 3 .* got nothing"),
        ("id,label,p_a,p_b\n,a,1,0\nx,b,0,1\n", "column id, line 2 of answers.csv, got nothing"),
        ("label,p_a,p_b,human_a\na,1,0,1\n", "human_<class> of answers.csv for a, b, got them for a"),
        ("label,p_a,p_b,human_a,human_c\na,1,0,1,0\n", "for a, b, got them for a, c"),
        (
            "label,p_a,p_b,human_a,human_b\na,1,0,1,\n",
            "human_<class> that sum to 1 in line 2 .* some of them empty",
        ),
        ("label,p_a,p_b,human_a,human_b\na,1,0,1,1\n", "human_<class> that sum to 1 in line 2 .* a sum of 2"),
        ("label,p_a,p_b,human_a,human_b\na,1,0,x,1\n", "column human_a, line 2 .* got 'x'"),
        (b"label,p_a,p_b\n\xff\xfe,1,0\n", "answers.csv as UTF-8 text, got other bytes"),
        (HEAD + 'no,0.9,0.1\n"' + "x" * 200_000 + "\n", "a table in answers.csv, got line 3 that is none"),
    ],
)
def test_wrong_tables_are_refused_with_line_and_column(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        load(tmp_path, content)


def test_a_missing_table_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        Predictions.load(tmp_path / "missing.csv")


def test_class_names_that_a_reader_would_change_are_not_written(tmp_path):
    answers = Predictions([[1, 0]], [0], ("a ", "b"))
    with pytest.raises(ValueError, match="without spaces at their ends"):
        answers.save(tmp_path / "answers.csv")
    assert not list(tmp_path.iterdir())
