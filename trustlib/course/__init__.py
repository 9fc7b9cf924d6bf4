"""The course: how lessons are run, paged, held to their standard, and how exercises answer.

profiles.py   the sizes of `lite` and `full`; only lessons read them
kernel.py     one notebook in one clean kernel: outputs, seconds, peak memory, the failure
run.py        all lessons in order: progress lines, pages, run.json
pages.py      a lesson as a page that needs no network, and the index
lint.py       the standard that every lesson meets
exercises.py  the exercises of a notebook: stub, solution, check; and running one
check.py      what an exercise calls: *not yet*, *not quite* with a hint, or *correct*
answers.py    reference answers of the exercises
measure.py    comparisons too long for a lesson, kept in data/measured
models.py     the models that several lessons share, made once and kept

Nothing is imported here, so that a lesson pays only for what it uses.
"""
