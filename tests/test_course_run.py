"""Running lessons: clean kernels, failures that are named, results that repeat, no kernel left behind."""

import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from lesson_fixture import good_lesson, picture
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from trustlib.course import kernel, pages, profiles, run
from trustlib.errors import DataError


def notebook_of(*cells):
    return new_notebook(cells=[c if isinstance(c, dict) else new_code_cell(c) for c in cells])


def checked(source):
    return new_code_cell(source, metadata={"tags": ["nbval-check-output"]})


def write(folder, name, *cells, title="# 01 · A title"):
    folder.mkdir(exist_ok=True)
    notebook = notebook_of(new_markdown_cell(title), *cells)
    for position, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{position}"
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


def course(paths, out, **options):
    lines = []

    def say(text, end="\n", flush=False):
        lines.append(text + end)

    runs = run.run_course(paths, profile=profiles.LITE, out=out, say=say, **options)
    return runs, "".join(lines), json.loads((out / "run.json").read_text(encoding="utf-8"))


@pytest.fixture
def without_torch(monkeypatch):
    """Asking torch for the device takes seconds; one test does it."""
    facts = {"profile": "lite", "seed": 0, "versions": {"python": "3"}, "device": "cpu", "threads": 1}
    monkeypatch.setattr(run, "surroundings", lambda profile: facts)


def printed(execution, cell):
    return run.output_text(execution.notebook.cells[cell])


# The kernel


def test_the_kernel_is_this_interpreter_in_the_given_folder_with_our_settings(tmp_path):
    ask = "import os, sys\nprint(sys.executable, os.getcwd(), *map(os.getenv, ['TRUSTLIB_PROGRESS', 'MINE']))"
    done = kernel.execute(notebook_of(ask), folder=tmp_path, environment={"MINE": "yes"})
    assert done.failure is None
    assert printed(done, 0).split() == [sys.executable, str(tmp_path), "0", "yes"]


def test_no_start_up_file_of_the_user_is_read(tmp_path, monkeypatch):
    (tmp_path / "start.py").write_text("meddled = True")
    profile = tmp_path / "ipython" / "profile_default" / "startup"
    profile.mkdir(parents=True)
    (profile / "00.py").write_text("meddled = True")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "start.py"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    done = kernel.execute(notebook_of("print('meddled' in globals())"), folder=tmp_path)
    assert printed(done, 0) == "False"


def test_startup_runs_before_the_first_cell_and_takes_no_number(tmp_path):
    done = kernel.execute(notebook_of("print(planted)"), folder=tmp_path, startup="planted = 5")
    assert printed(done, 0) == "5"
    assert done.notebook.cells[0].execution_count == 1


def test_a_run_ends_where_it_is_enough(tmp_path):
    notebook = notebook_of("print(1)", "print(2)", "print(3)")
    done = kernel.execute(notebook, folder=tmp_path, enough=lambda position, cell: position == 1)
    assert done.failure is None
    assert [run.output_text(cell) for cell in done.notebook.cells] == ["1", "2", ""]


def test_a_run_that_goes_on_passes_a_failing_cell_and_is_not_asked_about_it(tmp_path):
    asked = []
    notebook = notebook_of("1 / 0", "print(2)")
    done = kernel.execute(
        notebook, folder=tmp_path, go_on=True, enough=lambda position, cell: asked.append(position)
    )
    assert done.failure is None and printed(done, 1) == "2"
    assert asked == [1]


def test_a_failing_cell_is_named_and_old_outputs_do_not_survive(tmp_path):
    notebook = notebook_of("x = 1", "\n# why\ny = 2\nraise ValueError('no')", "print('never')")
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="never\n")]
    done = kernel.execute(notebook, folder=tmp_path)
    assert done.failure == kernel.Failure(2, "# why", "ValueError: no")
    assert str(done.failure) == "cell [2] `# why`: ValueError: no"
    assert done.notebook.cells[2].outputs == []
    assert notebook.cells[2].outputs != []


def test_a_hung_cell_is_bounded_and_named(tmp_path):
    start = time.monotonic()
    done = kernel.execute(notebook_of("import time\ntime.sleep(600)"), folder=tmp_path, cell_timeout=2)
    assert time.monotonic() - start < 60
    assert str(done.failure).startswith("cell [1] `import time`: the cell did not finish in its time")


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("os._exit(3)", "the kernel died with exit status 3"),
        ("os.kill(os.getpid(), 9)", "the kernel was killed, most often because memory ran out"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
def test_a_dead_kernel_is_named(tmp_path, end, says):
    done = kernel.execute(notebook_of(f"import os, time\ntime.sleep(0.5)\n{end}"), folder=tmp_path)
    assert str(done.failure) == f"cell [1] `import os, time`: {says}"


def test_peak_memory_counts_the_kernel_and_its_children(tmp_path):
    child = "import time; x = bytearray(300_000_000); time.sleep(2)"
    small = kernel.execute(notebook_of("x = 1"), folder=tmp_path)
    source = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    large = kernel.execute(notebook_of(source), folder=tmp_path)
    assert 290e6 < large.peak_bytes - small.peak_bytes < 450e6


def test_what_a_lesson_left_running_is_ended(tmp_path):
    source = "import subprocess, time\np = subprocess.Popen(['sleep', '600'])\nprint(p.pid)\ntime.sleep(1)"
    done = kernel.execute(notebook_of(source), folder=tmp_path)
    assert not psutil.pid_exists(int(printed(done, 0)))


def namespaces_work():
    tool = shutil.which("unshare")
    return (
        bool(tool) and subprocess.run([tool, "-rn", "true"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not namespaces_work(), reason="this system has no network namespaces for its users")
def test_a_lesson_runs_where_there_is_no_network_at_all(tmp_path):
    code = (
        "from nbformat.v4 import new_code_cell, new_notebook; from trustlib.course import kernel; "
        "n = new_notebook(cells=[new_code_cell('print(1)')]); "
        f"d = kernel.execute(n, folder={str(tmp_path)!r}); "
        "print(d.failure, d.notebook.cells[0].outputs[0].text)"
    )
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "None 1", done.stderr


def test_prints_in_pieces_are_one_output(tmp_path):
    source = "import time\nfor i in range(3):\n    print(i, flush=True)\n    time.sleep(0.4)"
    done = kernel.execute(notebook_of(source), folder=tmp_path)
    assert [output.text for output in done.notebook.cells[0].outputs] == ["0\n1\n2\n"]


def test_of_a_widget_only_its_words_are_kept(tmp_path):
    source = """from trustlib import plots
from trustlib.estimates import Estimate
def draw(value):
    return plots.estimates({'a': Estimate(value, 0, 1, 9)}, xlabel='x'), 'A figure.'
plots.slider(draw, name='x', most=1.0, instead='A slider.')"""
    done = kernel.execute(notebook_of(source, "print('on')"), folder=tmp_path)
    assert done.failure is None
    (shown,) = done.notebook.cells[0].outputs
    assert dict(shown.data) == {"text/plain": "A slider."}
    assert "widgets" not in done.notebook.metadata and printed(done, 1) == "on"
    page = pages.lesson_page(done.notebook, folder=tmp_path, position=0, titles=[("01", "A title")])
    assert "A slider." in page and "<script" not in page


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
def test_stopping_the_course_leaves_no_kernel(tmp_path, number):
    source = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    write(tmp_path / "notebooks", "01_long", source)
    code = (
        "import pathlib, sys; from trustlib import cli; from trustlib.course import run; "
        f"run.lessons_folder = lambda: pathlib.Path({str(tmp_path / 'notebooks')!r}); "
        f"sys.exit(cli.main(['course', '--out', {str(tmp_path / 'out')!r}]))"
    )
    course_process = subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # Tests that run in a shell's background inherit a Ctrl-C that is switched off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pid = tmp_path / "notebooks" / "pid"
    deadline = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    kernel_process = psutil.Process(int(pid.read_text()))
    course_process.send_signal(number)
    _, errors = course_process.communicate(timeout=60)
    assert course_process.returncode == 130
    assert errors.decode().strip() == "trustlib: stopped"
    assert not kernel_process.is_running()


# Lessons: where they are, which are chosen


def test_lessons_are_found_in_order_and_other_files_are_not(tmp_path):
    for name in ("10_b", "02_a", "notes", "1_x"):
        (tmp_path / f"{name}.ipynb").write_text("{}")
    assert [path.stem for path in run.lessons(tmp_path)] == ["02_a", "10_b"]


def test_no_lessons_anywhere_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trustlib.__file__", str(tmp_path / "site" / "trustlib" / "__init__.py"))
    with pytest.raises(DataError, match="expected lessons as notebooks/NN_name.ipynb, got none"):
        run.lessons_folder()
    write(tmp_path / "notebooks", "01_here", "1")
    assert run.lessons_folder() == tmp_path / "notebooks"


def test_select_knows_numbers_and_names_and_keeps_the_order(tmp_path):
    paths = [tmp_path / f"{name}.ipynb" for name in ("00_a", "01_b", "02_c")]
    assert [p.stem for p in run.select(paths, ["02_c", "0"])] == ["00_a", "02_c"]
    assert run.select(paths, []) == paths
    with pytest.raises(ValueError, match="expected a lesson among 00_a, 01_b, 02_c; got '07'"):
        run.select(paths, ["07"])


def test_cells_without_an_id_get_the_same_one_each_time(tmp_path):
    old = {"cells": [{"cell_type": "markdown", "metadata": {}, "source": "# 01 · Old"}], "metadata": {}}
    (tmp_path / "01_old.ipynb").write_text(json.dumps(old | {"nbformat": 4, "nbformat_minor": 4}))
    assert [run.read(tmp_path / "01_old.ipynb").cells[0].id for _ in range(2)] == ["cell-0", "cell-0"]


# The whole run


def test_a_failed_lesson_is_named_and_the_rest_is_tried(tmp_path):
    folder, out = tmp_path / "notebooks", tmp_path / "out"
    write(folder, "01_bad", "undefined_name", title="# 01 · Bad <b>")
    write(folder, "02_good", checked("print('verdict: better')"), title="# 02 · Good")
    runs, said, recorded = course(run.lessons(folder), out)
    assert [lesson.passed for lesson in runs] == [False, True]
    assert re.search(r"^01_bad +[\d.]+ s +[\d.]+ GB +FAILED$", said, re.MULTILINE)
    assert "01_bad, cell [1] `undefined_name`: NameError: name 'undefined_name' is not defined" in said
    assert re.search(r"^02_good +[\d.]+ s +[\d.]+ GB +passed$", said, re.MULTILINE)
    assert [(one["name"], one["passed"]) for one in recorded["lessons"]] == [
        ("01_bad", False),
        ("02_good", True),
    ]
    assert recorded["results"] == {"01_bad": [], "02_good": [{"cell": 1, "text": "verdict: better"}]}
    assert recorded["profile"] == "lite" and recorded["seed"] == 0
    assert recorded["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert recorded["device"] and recorded["threads"] >= 1
    index = (out / "index.html").read_text(encoding="utf-8")
    assert index.index("01_bad.html") < index.index("02_good.html")
    assert "01 · Bad &lt;b&gt;" in index and "NameError" in index


def test_the_results_of_two_runs_are_identical_and_timings_stand_apart(tmp_path, without_torch):
    folder = tmp_path / "notebooks"
    path = write(folder, "01_same", checked("import time\ntime.sleep(0.1)\nprint({'a', 'b'} == {'b', 'a'})"))
    (_, _, first), (_, _, second) = course([path], tmp_path / "a"), course([path], tmp_path / "b")
    assert json.dumps(first["results"]) == json.dumps(second["results"])
    assert "seconds" not in json.dumps(first["results"]) and "seconds" in first["lessons"][0]


def test_lessons_are_not_touched_unless_write_is_given(tmp_path, without_torch):
    path = write(tmp_path / "notebooks", "01_a", checked("print(1 + 1)"))
    before = path.read_bytes()
    course([path], tmp_path / "out")
    assert path.read_bytes() == before
    course([path], tmp_path / "out", write=True)
    written = run.read(path)
    assert run.checked_results(written) == [run.Checked(1, "2")]
    assert written.metadata == {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert "execution" not in written.cells[1].metadata
    once = path.read_bytes()
    course([path], tmp_path / "out", write=True)
    assert path.read_bytes() == once


def test_a_lesson_that_failed_is_not_written(tmp_path, without_torch):
    path = write(tmp_path / "notebooks", "01_a", "1 / 0")
    before = path.read_bytes()
    course([path], tmp_path / "out", write=True)
    assert path.read_bytes() == before


def test_a_file_that_is_no_notebook_fails_alone(tmp_path, without_torch):
    folder, out = tmp_path / "notebooks", tmp_path / "out"
    write(folder, "02_good", "1")
    (folder / "01_broken.ipynb").write_text("half a note")
    runs, said, _ = course(run.lessons(folder), out)
    assert [lesson.passed for lesson in runs] == [False, True]
    assert "01_broken, expected a Jupyter notebook, got 01_broken.ipynb" in said
    assert (out / "01_broken.html").exists()


def test_pages_of_an_earlier_run_do_not_stay(tmp_path, without_torch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "09_gone.html").write_text("old")
    course([write(tmp_path / "notebooks", "01_a", "1")], out)
    assert sorted(p.name for p in out.iterdir()) == ["01_a.html", "index.html", "run.json"]


# Pages


def page_of(notebook, position=0, titles=(("01_small", "01 · Small"),)):
    return pages.lesson_page(notebook, folder=".", position=position, titles=titles)


def test_a_page_asks_for_nothing_outside_itself_and_runs_no_script():
    page = page_of(good_lesson())
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["']?(?!data:|#|\w+\.html)[^"' >]+""", page)
    assert "@import" not in page and "url(" not in page
    assert "default-src 'none'" in page


def test_every_link_within_the_page_of_recipes_finds_its_heading():
    notebook = run.read(run.lessons_folder() / "recipes.ipynb")
    page = page_of(notebook, titles=[("recipes", "Recipes")])
    links = {html.unescape(link) for link in re.findall(r'href="#([^"]+)"', page)}
    headings = [html.unescape(name) for name in re.findall(r'<h\d id="([^"]+)"', page)]
    assert len(links) > 25 and links <= {*headings, "lesson"} and len(headings) == len(set(headings))
    assert 'href="08_shap.html"' in page


def test_a_heading_that_comes_twice_has_one_id():
    cells = [new_markdown_cell("# A title\n\n## The *same* `one`"), new_markdown_cell("## The *same* `one`")]
    page = page_of(new_notebook(cells=cells))
    assert page.count('id="The-same-one"') == 1 and page.count("<em>same</em>") == 2


def test_the_index_leads_to_the_recipes_where_they_lie_beside_the_lessons(tmp_path):
    shutil.copy(run.lessons_folder() / "recipes.ipynb", tmp_path)
    assert run._recipes_page(tmp_path / "recipes.ipynb", tmp_path) == "recipes.html"
    assert "One task, one function" in (tmp_path / "recipes.html").read_text(encoding="utf-8")
    assert run._recipes_page(tmp_path / "none" / "recipes.ipynb", tmp_path) is None
    assert not (tmp_path / "recipes.html").exists()  # the folder tells of one run only


def test_a_page_keeps_the_folded_solution_folded_and_the_alternative_text():
    page = page_of(good_lesson())
    folded = re.findall(r"<details><summary>Solution</summary>(.*?)</details>", page, re.DOTALL)
    assert len(folded) == 3 and all("highlight" in part and "A sum adds." in part for part in folded)
    assert 'alt="A dot"' in page


def test_what_a_lesson_prints_is_escaped():
    notebook = notebook_of("x")
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="<script>alert(1)</script>\n")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page_of(notebook, titles=[("01_x", "<i>")])
    assert "<title>&lt;i&gt;</title>" in page_of(notebook, titles=[("01_x", "<i>")])


def test_links_between_lessons_lead_to_pages():
    notebook = notebook_of(
        new_markdown_cell("[next](02_b.ipynb#part) and [code](https://example.org/03_c.ipynb)")
    )
    titles = [("00_a", "A"), ("01_x", "X"), ("02_b", "B & C")]
    page = page_of(notebook, position=1, titles=titles)
    assert 'href="02_b.html#part"' in page and "https://example.org/03_c.ipynb" in page
    assert page.count('<a href="00_a.html" rel="prev">A</a>') == 2
    assert '<a href="02_b.html" rel="next">B &amp; C</a>' in page


def test_a_formula_stays_readable_without_javascript():
    for tex in (r"x^2", r"\notacommand{", r"\frac{1}{2}"):
        shown = pages.formula(tex, display=False)
        assert shown.startswith("<math") or tex in shown
    page = page_of(notebook_of(new_markdown_cell("costs 5\\$, and $a<b$")))
    assert "costs 5$" in page and "a<b" not in page


def test_a_picture_of_a_notebook_is_embedded():
    notebook = notebook_of("x")
    notebook.cells[0].outputs = [picture("A dot & more")]
    assert 'src="data:image/png;base64,' in page_of(notebook) and 'alt="A dot &amp; more"' in page_of(
        notebook
    )
