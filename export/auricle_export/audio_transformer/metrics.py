"""How well sounds are told: in come what is true and what was scored, out come shares with how sure they are.

Nothing here knows of networks or files: every number is one line of its definition, so that it can be read against it.
What is not a finite number, or does not fit in shape, is a `ValueError`: a measure of it would say nothing.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Z_95 = 1.959964
"""How many standard deviations to either side hold 95 % of a normal distribution."""


class Interval(NamedTuple):
    """What a share may truly be, 0 to 1."""

    low: float
    high: float


class Spread(NamedTuple):
    """What several folds gave."""

    mean: float
    deviation: float
    """Standard deviation of the folds, as a sample (n - 1); NaN of a single one."""


def average_precision(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Area under the steps of precision over recall, 0 to 1, of truth [n] (boolean) and scores [n]; NaN if none is so.

    The sum over thresholds of precision times the recall gained there, with nothing interpolated, as scikit-learn's
    `average_precision_score`. Equal scores pass a threshold together, so that the order of clips decides nothing.
    """
    right, told = _truth(truth, 1), _scores(scores)
    if right.shape != told.shape:
        raise ValueError(f"truth has shape {right.shape}, scores {told.shape}; one score for every clip is expected")
    if not right.any():
        return math.nan
    order = np.argsort(-told, kind="stable")
    # Where a group of equal scores ends: only there is a threshold.
    ends = np.append(np.flatnonzero(np.diff(told[order])), len(told) - 1)
    found = np.cumsum(right[order])[ends]
    precision = found / (ends + 1)
    gained = np.diff(found, prepend=0) / found[-1]
    return float(np.sum(precision * gained))


def average_precisions(truth: npt.ArrayLike, scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """`average_precision` of every class, [c], of truth [n, c] (boolean) and scores [n, c]; NaN without a positive."""
    right, told = _truth(truth, 2), _scores(scores)
    if right.shape != told.shape:
        raise ValueError(
            f"truth has shape {right.shape}, scores {told.shape}; a score for every clip and class is expected"
        )
    return np.array([average_precision(right[:, k], told[:, k]) for k in range(right.shape[1])])


def mean_average_precision(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Mean over classes of `average_precision`, 0 to 1, of truth [n, c] (boolean) and scores [n, c], a row a clip.

    Every class weighs the same, however rare (macro): mAP as Fonseca et al., "FSD50K: an open dataset of human-labeled
    sound events", arXiv 2010.00475, define it and the table of Verma and Berger, arXiv 2105.00335, has it. A class
    without a positive is left out; `ValueError` where that leaves none.
    """
    each = average_precisions(truth, scores)
    heard = each[~np.isnan(each)]
    if not len(heard):
        raise ValueError(f"no class of {len(each)} is in any clip: mean average precision is of classes that are")
    return float(heard.mean())


def accuracy(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Share of clips, 0 to 1, whose class was told: truth [n] and predicted [n] are numbers of classes."""
    true, told = _classes(truth, predicted)
    return float(np.mean(true == told))


def confusion(truth: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> npt.NDArray[np.int64]:
    """Counts [classes, classes] of what was told (column) of what was true (row); their sum is the number of clips."""
    true, told = _classes(truth, predicted)
    if min(true.min(), told.min()) < 0 or max(true.max(), told.max()) >= classes:
        raise ValueError(f"a class is not one of 0 to {classes - 1}: truth and predicted are numbers of classes")
    return np.bincount(true * classes + told, minlength=classes * classes).reshape(classes, classes)


def wilson(right: int, of: int, z: float = Z_95) -> Interval:
    """Interval that holds the true share of which `right` in `of` trials were seen, with 95 % unless `z` says else.

    Wilson 1927. Unlike mean +- deviation it stays within 0 and 1 and says something of 80 right in 80. Trials must be
    independent: several clips of one recording are fewer trials than clips.
    """
    if not 0 <= right <= of or of < 1:
        raise ValueError(f"{right} right of {of}: of at least one trial, at most all can be right")
    share, weight = right / of, z * z / of
    middle = (share + weight / 2.0) / (1.0 + weight)
    half = z / (1.0 + weight) * math.sqrt(share * (1.0 - share) / of + weight / (4.0 * of))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def spread(folds: Sequence[float]) -> Spread:
    """Mean and standard deviation of what the folds gave."""
    values = np.asarray(folds, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"folds are {values.tolist()}: at least one finite number is expected")
    return Spread(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else math.nan)


def _truth(truth: npt.ArrayLike, dimensions: int) -> npt.NDArray[np.bool_]:
    given = np.asarray(truth)
    if given.ndim != dimensions or not np.isin(given, (0, 1)).all():
        raise ValueError(
            f"truth has shape {given.shape} of {given.dtype}; {dimensions} dimensions of 0 and 1 are expected"
        )
    return given.astype(bool)


def _scores(scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    given = np.asarray(scores, np.float64)
    if not np.isfinite(given).all():
        raise ValueError(f"{int((~np.isfinite(given)).sum())} scores are no finite numbers: they cannot be ordered")
    return given


def _classes(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    true, told = np.asarray(truth), np.asarray(predicted)
    if true.ndim != 1 or true.shape != told.shape or not len(true):
        raise ValueError(
            f"truth has shape {true.shape}, predicted {told.shape}; one class for each of [n >= 1] is expected"
        )
    if true.dtype.kind not in "iu" or told.dtype.kind not in "iu":
        raise ValueError(f"truth is {true.dtype}, predicted {told.dtype}; whole numbers are expected")
    return true.astype(np.int64), told.astype(np.int64)
