"""README.md is true: its Python runs, its commands exist, its links lead somewhere."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SHELLS = {"sh", "bash", "shell", "console", "powershell", "bat", "cmd", ""}


class Snippet(NamedTuple):
    """A fenced block: its language, the line it starts on, its text."""

    language: str
    line: int
    text: str


def snippets(markdown):
    """Every fenced block of a page, by backticks or tildes, indented in a list or not."""
    found, fence, start, language, body, margin = [], None, 0, "", [], 0
    for number, line in enumerate(markdown.splitlines(), start=1):
        mark = re.match(r"( *)(`{3,}|~{3,}) *([\w+-]*)", line)
        if fence is None and mark:
            margin, fence, language, start, body = len(mark[1]), mark[2], mark[3].lower(), number, []
        elif fence is not None and mark and mark[2].startswith(fence) and line.strip() == mark[2]:
            found.append(Snippet(language, start, "\n".join(body) + "\n"))
            fence = None
        elif fence is not None:
            body.append(line[min(margin, len(line) - len(line.lstrip())) :])
    return found


def commands(markdown):
    """Every line of a shell block, without its prompt and comment, and every inline code span."""
    blocks = [line for s in snippets(markdown) if s.language in SHELLS for line in s.text.splitlines()]
    prose = re.sub(r"(?ms)^ *(`{3,}|~{3,}).*?^ *\1 *$", "", markdown)
    spans = re.findall(r"`([^`\n]+)`", prose)
    return [re.sub(r"^(\$|>|PS[^>]*>) +|\s+#.*$", "", line.strip()) for line in blocks + spans]


def words_after(program, lines):
    """The first word after a program's name wherever a command starts with it; options are passed over."""
    pattern = rf"(?:^|&& |; |bin/|-m ){program}((?: +[\w-]+=\S+| +--?[\w-]+)*)(?: +([a-z_]+))?"
    return {match[2] for line in lines for match in re.finditer(pattern, line) if match[2]}


def text():
    return README.read_text(encoding="utf-8") if README.exists() else ""


def python_snippets():
    return [s for s in snippets(text()) if s.language in ("python", "py", "pycon")]


def run(code, folder):
    """Runs one snippet as a reader would: alone, in a folder of its own, with nothing imported before."""
    session = code.lstrip().startswith(">>>")
    script = folder / ("snippet.txt" if session else "snippet.py")  # doctest reads a .txt as a session
    script.write_text(code, encoding="utf-8")
    how = ["-m", "doctest"] if session else []
    return subprocess.run(
        [sys.executable, *how, str(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_there_is_a_python_snippet():
    assert python_snippets(), "expected README.md with a block marked python that runs, got none"


@pytest.mark.slow
@pytest.mark.parametrize("snippet", python_snippets(), ids=lambda s: f"line{s.line}")
def test_python_snippet_runs(snippet, tmp_path):
    done = run(snippet.text, tmp_path)
    assert done.returncode == 0, f"README.md, line {snippet.line}:\n{done.stdout}{done.stderr}"


def test_make_targets_exist():
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    asked = words_after("make", commands(text()))
    assert {"course", "test"} <= asked, "expected README.md to name the two commands"
    assert asked <= set(phony)


def test_trustlib_commands_exist():
    command = [sys.executable, "-m", "trustlib", "--help"]
    help_text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"^ +([a-z]+)(?= {2,}\S|$)", help_text, re.MULTILINE))
    assert "course" in known
    assert words_after("trustlib", commands(text())) <= known


def test_extras_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r"(?:pip install [^\n`]*?)(?:\.|trustlib)\[([\w, ]+)\]", text())
    assert {extra.strip() for group in named for extra in group.split(",")} <= set(extras)


def test_links_lead_to_files_of_the_repository():
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)|(?:src|href)=\"([^\"#]+)", text())
    local = [link for pair in links for link in pair if link and not re.match(r"\w+:", link)]
    assert [link for link in local if not (ROOT / link).exists()] == []


PAGE = """\
Run `make course`, then `trustlib doctor`.

1. In a list:

   ```python
   for i in range(2):
       print(i)
   ```

~~~sh
$ make setup TORCH=cpu TORCH_INDEX=address   # make nothing
cd x && .venv/bin/trustlib fetch reviews
python -m trustlib --version
~~~
"""


def test_blocks_are_found_with_their_indentation_and_line():
    assert snippets(PAGE)[0] == Snippet("python", 5, "for i in range(2):\n    print(i)\n")


def test_commands_are_found_in_blocks_and_in_prose():
    assert words_after("make", commands(PAGE)) == {"course", "setup"}
    assert words_after("trustlib", commands(PAGE)) == {"doctor", "fetch"}


@pytest.mark.parametrize("code", ["raise ValueError('no')\n", "import no_such_package\n", ">>> 1 + 1\n3\n"])
def test_a_wrong_snippet_fails(code, tmp_path):
    assert run(code, tmp_path).returncode != 0


@pytest.mark.parametrize("code", ["import trustlib\n", ">>> 1 + 1\n2\n"])
def test_a_right_snippet_passes(code, tmp_path):
    assert run(code, tmp_path).returncode == 0
