"""Several processes that run one program side by side, as `accelerate launch` starts them.

    accelerate launch --num_processes 4 my_script.py

Every process runs the whole script. Where the script asks a model many questions or explains many inputs,
`share` lets each process do its part and gives every process all results, in their order, so that all go on
with the same numbers. No sample is done twice to fill up the last round. In one process `share` is a plain
loop, and nothing here loads accelerate.

All processes must come to each `share` alike. Whoever does something in one of them only, says so:

    with processes.alone():
        robustness.noise(...)          # asks the whole by itself

Source: Gugger et al. (2022), accelerate.
"""

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from trustlib.errors import missing_extra

_alone = ContextVar("_alone", default=False)


def launched() -> int:
    """How many processes were started together: 1 unless a launcher says otherwise."""
    several = "RANK" in os.environ and "WORLD_SIZE" in os.environ
    return int(os.environ["WORLD_SIZE"]) if several else 1


def is_main() -> bool:
    """Whether this process is the one that writes files and shows bars."""
    return launched() == 1 or os.environ["RANK"] == "0"


def device() -> str:
    """The device of this process, such as "cuda:1", where several were launched."""
    return str(_state().device)


def count() -> int:
    """Among how many processes work is shared here."""
    return 1 if _alone.get() else launched()


def index() -> int:
    """Which of these processes this one is, from 0."""
    return 0 if count() == 1 else _state().process_index


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this process shares nothing with the others."""
    before = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(before)


def share(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """[work(item) for item in items], the items dealt out in turn over the processes.

    Args:
        work: what it returns must be possible to pickle, and lie on the CPU. It works alone.
        items: the same in every process; made in every process, one at a time.
    Returns: all results in every process, in the order of the items.
    Raises: in every process what `work` raised in any of them; RuntimeError with its words where that error
        cannot be sent from one process to another.

    >>> share(str.upper, ["a", "b", "c"])
    ['A', 'B', 'C']
    """
    n, own = count(), index()
    if n == 1:
        return [work(item) for item in items]
    done, total, problem = [], 0, None
    try:
        for item in items:
            if total % n == own:
                with alone():
                    done.append(work(item))
            total += 1
    except Exception as error:  # kept until the others can be told, who would wait for ever
        problem = _that_travels(error)
    parts = gather((done, problem))
    for _, error in parts:
        if error is not None:
            raise error
    return [parts[i % n][0][i // n] for i in range(total)]


def from_main(make: Callable[[], Any]) -> Any:
    """What `make` returns in the main process, in all of them; the others do not call it, but wait.

    >>> from_main(lambda: 3)
    3
    """
    return share(lambda _: make(), [None])[0]


def gather(value: Any) -> list[Any]:
    """The value of each process, in every process.

    >>> gather(0.5)
    [0.5]
    """
    if count() == 1:
        return [value]
    _state()
    from accelerate.utils import gather_object

    return gather_object([value])


def _that_travels(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever a class of errors makes of being copied
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _state() -> Any:
    """accelerate's view of this process; the first call lets the processes find each other."""
    try:
        from accelerate import PartialState
        from accelerate.utils import is_cuda_available, parse_flag_from_env
    except ImportError as error:
        raise missing_extra(error.name or "accelerate", "models") from error

    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not is_cuda_available()
    # While one process works, the others wait: long enough for the slowest answer.
    return PartialState(cpu=on_cpu, timeout=timedelta(hours=2))
