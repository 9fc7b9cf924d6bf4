"""A small lesson that meets the standard, built cell by cell, for tests to break."""

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

OPENING = """# 01 · A small lesson

**The question.** Is two more than one?

**After this you can**

- compare numbers

**Prerequisites.** none

**Time.** 5 minutes for you, 1 minute for the machine."""

QUIZ = """## Quiz

**1. Which is larger?**

- (a) one
- (b) two

<details><summary>Answer</summary>

- (a) wrong: one comes before two
- (b) right: two comes after one
</details>"""

SOLUTION = """<details><summary>Solution</summary>

```python
# the sum of both
answer_{n} = sum(values)
```

A sum adds.
</details>"""

SETUP = "from trustlib.course import check\nvalues = [1, 2]"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FgAAAABJRU5ErkJggg=="


def printed(text: str) -> NotebookNode:
    return new_output("stream", name="stdout", text=text)


def picture(alt: str) -> NotebookNode:
    data = {"image/png": PIXEL, "text/plain": "<Figure>"}
    return new_output("display_data", data=data, metadata={"image/png": {"alt": alt}})


def exercise(number: int) -> list[NotebookNode]:
    name = f"Exercise {number}"
    check = f'check.number("{name}", answer_{number}, lambda: values[0] + values[1])'
    not_yet = printed(f"not yet: {name}: put your answer in place of the dots\n")
    return [
        new_markdown_cell(f"### {name}\nAdd them."),
        new_code_cell(f"answer_{number} = ...", metadata={"tags": ["exercise"]}),
        new_code_cell(check, outputs=[not_yet]),
        new_markdown_cell(SOLUTION.format(n=number)),
    ]


def good_lesson() -> NotebookNode:
    """A notebook that passes every rule under the name `01_small.ipynb`."""
    checked = {"tags": ["nbval-check-output"]}
    cells = [
        new_markdown_cell(OPENING),
        new_code_cell("from trustlib import estimates\nfrom trustlib.course import check"),
        new_code_cell("print('two is larger')", metadata=checked, outputs=[printed("two is larger\n")]),
        new_code_cell("print('0.125')", metadata=checked, outputs=[printed("0.125\n")]),
        new_code_cell("print('better')", metadata=checked, outputs=[printed("better\n")]),
        new_code_cell("'a picture';", outputs=[picture("A dot")]),
        new_markdown_cell("## Exercises"),
        new_code_cell(SETUP, metadata={"tags": ["exercise-setup"]}),
        *exercise(1),
        *exercise(2),
        *exercise(3),
        new_markdown_cell(QUIZ),
        new_markdown_cell("## Recap\nTwo is larger, by 100.0 %."),
        new_markdown_cell("## Further reading\nPeano (1889)."),
        new_markdown_cell("## Next\nLesson 02."),
    ]
    for number, cell in enumerate((c for c in cells if c.cell_type == "code"), start=1):
        cell.execution_count = number
    notebook = new_notebook(cells=cells)
    for position, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{position}"
    return notebook
