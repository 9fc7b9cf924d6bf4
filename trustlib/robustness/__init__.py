"""How much must an input change before the answer does? Compared with the model's own answer, not the label.

noisy         noise: Gaussian noise on pictures, and a verdict; noise_table: on rows; noise_steps, add_noise
crossing      sigma_at: the noise at which a given share of the answers flips
corrupted     corruptions: accuracy under fog, blur and the like; mce: errors relative to a baseline model
reworded      texts: slips of the keyboard, lost words and the like
behavioural   behaviour: a table of small tests, Row by Row; behaviour_lines: its result to print
sentiment     sentiment_rows: a starter table for reviews

The smallest change that flips an answer, which no random noise finds, is in `trustlib.minimal`.
"""

from trustlib.robustness.behavioural import Behaviour, Row, behaviour, behaviour_lines
from trustlib.robustness.corrupted import Corruptions, corruptions, mce
from trustlib.robustness.crossing import Crossing, sigma_at
from trustlib.robustness.noisy import (
    Noise,
    NoiseLevel,
    NoiseSteps,
    add_noise,
    noise,
    noise_steps,
    noise_table,
)
from trustlib.robustness.reworded import TextFlips, texts
from trustlib.robustness.sentiment import sentiment_rows

__all__ = [
    "Behaviour",
    "Corruptions",
    "Crossing",
    "Noise",
    "NoiseLevel",
    "NoiseSteps",
    "Row",
    "TextFlips",
    "add_noise",
    "behaviour",
    "behaviour_lines",
    "corruptions",
    "mce",
    "noise",
    "noise_steps",
    "noise_table",
    "sentiment_rows",
    "sigma_at",
    "texts",
]
