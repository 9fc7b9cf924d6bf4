"""The tasks: questions with samples, labels and what people said.

`solar_cells` and `movie_reviews` are the two running cases; the rest are small exact examples and your own
data. Each returns a `Task` with train, validation, calibration and test, each a `Split`.
"""

from trustlib.tasks.reviews import movie_reviews
from trustlib.tasks.solar import solar_cells
from trustlib.tasks.task import Pictures, Split, Task

__all__ = ["Pictures", "Split", "Task", "movie_reviews", "solar_cells"]
