"""How a fine-tuning run went."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from trustlib.plots.figure import BLUE, INK, ORANGE, STYLE, axes


@matplotlib.rc_context(STYLE)
def history(history: Any, *, ax: Axes | None = None) -> Axes:
    """Losses and validation accuracy of a fine-tuning run, epoch by epoch, the best epoch marked.

    Args:
        history: a History: train_loss, validation_loss and validation_accuracy (epochs,), best_epoch from 0.
        ax: where to draw; its place is shared with a second Axes for the accuracy.
    Returns: the Axes of the losses; that of the accuracy is the last of its figure.
    """
    ax = axes(ax, height=2.9)
    halves = ax.get_subplotspec().subgridspec(1, 2, wspace=0.08)
    ax.set_subplotspec(halves[0])
    right = ax.figure.add_subplot(halves[1])
    epochs = np.arange(1, len(history.train_loss) + 1)
    best = int(history.best_epoch)
    ax.plot(epochs, history.train_loss, "o--", color=ORANGE, markersize=4, label="training")
    ax.plot(epochs, history.validation_loss, "o-", color=BLUE, markersize=4, label="validation")
    right.plot(epochs, history.validation_accuracy, "o-", color=BLUE, markersize=4)
    for panel, values in ((ax, history.validation_loss), (right, history.validation_accuracy)):
        panel.plot(best + 1, values[best], "o", markersize=11, markerfacecolor="none", markeredgecolor=INK)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.set_xlim(0.5, len(epochs) + 0.5)
        panel.margins(y=0.12)
    ax.set_ylabel("loss (nats)")
    right.set_ylabel("validation accuracy")
    ax.set_title(f"Epoch {best + 1} of {len(epochs)} has the lowest loss.")
    right.set_title(f"Its accuracy is {history.validation_accuracy[best]:.3f}.")
    ax.legend()
    return ax
