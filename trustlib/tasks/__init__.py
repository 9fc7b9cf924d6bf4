"""The tasks: questions with samples, labels and what people said.

`solar_cells` and `movie_reviews` are the two running cases; `iris`, `breast_cancer` and `digits28` are small
exact examples; `cifar10` and `sst2` are what published work is measured on (fetched when asked for);
`image_folder` and `texts_csv` read your own data; `named` knows a task by a word. Each returns a `Task` with
the splits train, validation, calibration and test; `shortcuts` plants a mark into one.
"""

from trustlib.tasks import shortcuts
from trustlib.tasks.cifar import cifar10
from trustlib.tasks.digits import digits28
from trustlib.tasks.named import TASKS, named
from trustlib.tasks.own import image_folder, texts_csv
from trustlib.tasks.reviews import movie_reviews
from trustlib.tasks.solar import solar_cells
from trustlib.tasks.sst import sst2
from trustlib.tasks.tables import breast_cancer, iris
from trustlib.tasks.task import Pictures, Split, Task

__all__ = [
    "Pictures",
    "Split",
    "TASKS",
    "Task",
    "breast_cancer",
    "cifar10",
    "digits28",
    "image_folder",
    "iris",
    "movie_reviews",
    "named",
    "shortcuts",
    "solar_cells",
    "sst2",
    "texts_csv",
]
