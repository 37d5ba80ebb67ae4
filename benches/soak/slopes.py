"""Whether something grows: a slope, and how sure it is.

In: values at times. Out: the median of all slopes between two minutes (Theil and Sen), with an interval by resampling
stretches of ten minutes, since what is near in time is alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MINUTE_S = 60.0
BLOCK_MINUTES = 10
RESAMPLES = 1000

Floats = npt.NDArray[np.float64]


class Slope(NamedTuple):
    """Change an hour, and the interval that 95 % of the resamples lie in."""

    an_hour: float
    low: float
    high: float


def minutes(times_s: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The median of each minute that has a value: minutes [n] from the first, medians [n]."""
    minute = np.floor((times_s - times_s[0]) / MINUTE_S)
    each = np.unique(minute)
    return each, np.array([np.median(values[minute == one]) for one in each])


def slope(times_s: Floats, values: Floats, seed: int = 1) -> Slope:
    """The slope of `values` over `times_s`, an hour.

    Raises:
        ValueError: when there are fewer than three minutes.
    """
    minute, medians = minutes(times_s, values)
    if len(minute) < 3:
        raise ValueError(f"{len(minute)} minutes are too few for a slope; run for longer")
    random = np.random.default_rng(seed)
    middle = _median_slope(minute, medians)
    residuals = medians - middle * minute
    length = min(BLOCK_MINUTES, len(minute) // 2)
    resampled = []
    for _ in range(RESAMPLES):
        starts = random.integers(0, len(minute) - length + 1, size=-(-len(minute) // length))
        drawn = np.concatenate([residuals[start : start + length] for start in starts])[: len(minute)]
        resampled.append(_median_slope(minute, middle * minute + drawn))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Slope(middle * 60.0, float(low) * 60.0, float(high) * 60.0)


def _median_slope(minute: Floats, values: Floats) -> float:
    one, other = np.triu_indices(len(minute), 1)
    return float(np.median((values[other] - values[one]) / (minute[other] - minute[one])))
