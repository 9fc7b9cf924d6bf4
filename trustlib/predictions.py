"""What a model answered on a split, kept as arrays: every measurement can start from these alone."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trustlib import atomic, checks, predictions_csv, processes, progress
from trustlib.errors import DataError, ModelError


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model's answers, with what is known of each sample.

    probs: (n, k) float64, rows sum to 1; labels: (n,) int64; classes: k names, label i means classes[i];
    ids: (n,) integers or strings, or None; human_probs: (n, k), what people said, a row of NaN where
    nobody judged, or None; groups: (n,) integers or strings, samples that hang together, or None.
    """

    probs: NDArray[np.float64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    ids: NDArray[Any] | None = None
    human_probs: NDArray[np.float64] | None = None
    groups: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        probs = checks.probs(self.probs)
        n, k = probs.shape
        fields = {
            "probs": probs,
            "labels": checks.labels(self.labels, n_classes=k, n=n),
            "classes": checks.classes(self.classes, n_classes=k),
        }
        for name in ("ids", "groups"):
            if getattr(self, name) is not None:
                fields[name] = _names(getattr(self, name), n, name)
        if self.human_probs is not None:
            human_probs = checks.probs(self.human_probs, name="human_probs", missing=True)
            if human_probs.shape != probs.shape:
                raise ValueError(
                    f"expected human_probs of shape {probs.shape}, got {human_probs.shape}; "
                    "pass one row per sample and one column per class"
                )
            fields["human_probs"] = human_probs
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.labels)

    def save(self, path: str | Path) -> Path:
        """Write everything to one file, .npz or .csv, whole or not at all; returns its path.

        A .csv has a line for each sample; `predictions_csv` says which columns, and any tool can write one.

        Raises: ValueError when the name ends in neither.
        """
        path = Path(path)
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if _suffix(path) == ".csv":
            content = predictions_csv.text(fields).encode("utf-8")
            with atomic.file(path) as temporary:
                temporary.write_bytes(content)
        else:
            arrays = {name: np.asarray(value) for name, value in fields.items() if value is not None}
            with atomic.file(path) as temporary, open(temporary, "wb") as handle:
                np.savez_compressed(handle, **arrays)
        return path

    @classmethod
    def load(cls, path: str | Path) -> "Predictions":
        """Read what `save` or another tool wrote; never runs code from the file.

        An .npz needs the arrays probs and labels, and may have classes, ids, human_probs and groups.

        Raises: FileNotFoundError; ValueError when the name ends in neither .npz nor .csv; DataError when
            the file holds something else, in a .csv with line and column.
        """
        path = Path(path)
        if _suffix(path) == ".csv":
            return cls(**predictions_csv.read(path))
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored.files}
            k = np.shape(arrays["probs"])[-1]
            arrays["classes"] = checks.classes(arrays.get("classes"), n_classes=k)
            return cls(**arrays)
        except (AttributeError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"expected arrays probs and labels as saved by trustlib in {path.name}, got something else "
                f"({error}); save them again with Predictions.save"
            ) from error


def predict(
    predict_proba: Callable[[Any], Any],
    split: Any,
    *,
    classes: Sequence[str] | None = None,
    batch_size: int = 256,
) -> Predictions:
    """A model's answers on a whole split, asked batch by batch so that inputs may load lazily.

    Args:
        predict_proba: takes a slice of `split.inputs`, returns (n, k) probabilities.
        split: has inputs and labels, and may have ids, human_probs and groups.
        classes: k names; by default those of the classifier that `predict_proba` is a method of.
        batch_size: inputs in one call.
    Returns: Predictions, in the order of the split. Costs ceil(n / batch_size) calls of the model, which
        several processes share.
    Raises: ValueError without classes; ModelError when the model's answers have the wrong shape.
    """
    batch_size = checks.count(batch_size, name="batch_size")
    if classes is None:
        classes = getattr(getattr(predict_proba, "__self__", None), "classes", None)
    if classes is None:
        raise ValueError("expected classes, got none from the model; pass classes=(...), one name per column")
    n = checks.count(len(split.labels), name="the number of samples in the split")

    def answered(start: int) -> NDArray[np.float64]:
        stop = min(start + batch_size, n)
        return ask(predict_proba, split.inputs[start:stop], stop - start, len(classes))

    starts = progress.bar(range(0, n, batch_size), description="predict", unit="batch")
    return Predictions(
        np.concatenate(processes.share(answered, starts)),
        split.labels,
        tuple(classes),
        ids=getattr(split, "ids", None),
        human_probs=getattr(split, "human_probs", None),
        groups=getattr(split, "groups", None),
    )


def ask(
    predict_proba: Callable[[Any], Any], inputs: Any, n: int, k: int | None = None
) -> NDArray[np.float64]:
    """The answers (n, k) to n inputs at once; k of None takes any number of classes from 2.

    Raises: ModelError when they have another shape, or are no numbers.
    """
    answer = predict_proba(inputs)
    if hasattr(answer, "detach"):  # a tensor, perhaps with a gradient or on a GPU
        answer = answer.detach().cpu()
    try:
        probs = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"expected answers as an array of numbers, got {type(answer).__name__} ({error}); "
            "let predict_proba return one row per input and one column per class"
        ) from None
    if probs.ndim != 2 or probs.shape[0] != n or probs.shape[1] < 2 or k not in (None, probs.shape[1]):
        wanted = f"for {n} inputs" + ("" if k is None else f" and {k} classes")
        raise ModelError(
            f"expected answers of shape ({n}, {'k' if k is None else k}) {wanted}, got {probs.shape}; "
            "let predict_proba return one row per input and one column per class"
        )
    return probs


def _suffix(path: Path) -> str:
    if path.suffix.lower() not in (".npz", ".csv"):
        raise ValueError(f"expected a file name that ends in .npz or .csv, got {path.name}; change its end")
    return path.suffix.lower()


def _names(values: Any, n: int, name: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (n,) or array.dtype.kind not in "iubU":
        raise ValueError(
            f"expected {name} as {n} integers or strings, got shape {array.shape} of {array.dtype}; "
            "pass one for each sample"
        )
    return array
