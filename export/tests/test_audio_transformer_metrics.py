"""The measures against cases worked by hand and against definitions that are written out another way."""

import math
from fractions import Fraction

import numpy as np
import pytest
from auricle_export.audio_transformer import metrics


def by_definition(truth: np.ndarray, scores: np.ndarray) -> float:
    """Average precision as the mean over positives: of what scores at least as high, how many are positive. O(n^2).

    Every positive of a tie gains the same recall at the same precision, so that the sum over thresholds is this mean.
    """
    total = Fraction(0)
    positives = np.flatnonzero(truth)
    for k in positives:
        above = [j for j in range(len(scores)) if scores[j] >= scores[k]]
        total += Fraction(sum(bool(truth[j]) for j in above), len(above))
    return float(total / len(positives))


@pytest.mark.parametrize(
    ("truth", "scores", "expected"),
    [
        # The example in scikit-learn's documentation of average_precision_score: 0.83...
        ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 1 / 2 * 1 + 1 / 2 * 2 / 3),
        ([1, 0, 0], [0.9, 0.5, 0.1], 1.0),
        ([0, 0, 1], [0.9, 0.5, 0.1], 1 / 3),
        ([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6], (1 + 2 / 3) / 2),
        # All tied: there is one threshold, whose precision is the share of positives.
        ([1, 0, 0, 1, 0], [0.5] * 5, 2 / 5),
        # A positive and a negative tied at the top, then a positive: 1/2 at 1/2, 1/2 at 2/3.
        ([1, 0, 1], [0.7, 0.7, 0.2], 1 / 4 + 1 / 3),
        ([1], [0.0], 1.0),
    ],
)
def test_average_precision_by_hand(truth: list[int], scores: list[float], expected: float) -> None:
    assert metrics.average_precision(truth, scores) == pytest.approx(expected, abs=1e-12)
    # The order of clips decides nothing, ties included.
    assert metrics.average_precision(truth[::-1], scores[::-1]) == pytest.approx(expected, abs=1e-12)


def test_average_precision_is_its_definition_written_out() -> None:
    rng = np.random.default_rng(11)
    for trial in range(200):
        n = int(rng.integers(1, 60))
        truth = rng.random(n) < rng.random()
        truth[rng.integers(n)] = True
        # Coarse scores make ties, in every third trial many.
        scores = rng.normal(size=n).round((0, 1, 9)[trial % 3])
        assert metrics.average_precision(truth, scores) == pytest.approx(by_definition(truth, scores), abs=1e-12)


def test_without_a_positive_there_is_no_average_precision_and_it_does_not_count() -> None:
    assert math.isnan(metrics.average_precision([0, 0], [0.1, 0.2]))
    truth = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 0]])
    scores = np.array([[0.9, 0.5, 0.1], [0.8, 0.5, 0.2], [0.1, 0.5, 0.3]])
    each = metrics.average_precisions(truth, scores)
    assert each[[0, 2]] == pytest.approx([(1 + 2 / 3) / 2, 1 / 2]) and math.isnan(each[1])
    assert metrics.mean_average_precision(truth, scores) == pytest.approx((5 / 6 + 1 / 2) / 2)
    with pytest.raises(ValueError, match="no class of 3 is in any clip"):
        metrics.mean_average_precision(np.zeros((2, 3)), np.zeros((2, 3)))


def test_every_class_weighs_the_same() -> None:
    """One class of a hundred positives that are all found, one of a single positive that comes last."""
    truth = np.zeros((101, 2), bool)
    truth[:100, 0] = truth[100, 1] = True
    scores = np.stack([truth[:, 0].astype(float), 1.0 - truth[:, 1]], axis=1)
    assert metrics.mean_average_precision(truth, scores) == pytest.approx((1.0 + 1.0 / 101) / 2)


@pytest.mark.parametrize(
    ("truth", "scores", "message"),
    [
        ([0, 1], [0.1, np.nan], "1 scores are no finite"),
        ([0, 1], [0.1], "one score for every clip"),
        ([0, 2], [0.1, 0.2], "of 0 and 1"),
        ([[0, 1]], [[0.1, 0.2]], "1 dimensions"),
    ],
)
def test_what_cannot_be_ordered_is_refused(truth: list[int], scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.average_precision(truth, scores)


def test_confusion_has_truth_in_rows_and_its_diagonal_is_the_accuracy() -> None:
    truth, predicted = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 0, 2])
    counts = metrics.confusion(truth, predicted, 4)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    assert metrics.accuracy(truth, predicted) == counts.trace() / counts.sum() == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([0, 3], [0, 1], "not one of 0 to 2"),
        ([0], [-1], "not one"),
        ([], [], "n >= 1"),
        ([0.0], [0.0], "whole numbers"),
    ],
)
def test_what_is_no_class_is_refused(truth: list[int], predicted: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.confusion(truth, predicted, 3)


def test_wilsons_interval_is_where_the_share_seen_is_z_deviations_away() -> None:
    """Its ends p solve (share - p)^2 = z^2 p (1 - p) / n, which is how Wilson derives them."""
    for right, of in ((0, 10), (1, 10), (352, 400), (80, 80), (1, 1)):
        share = right / of
        for end in metrics.wilson(right, of):
            assert (share - end) ** 2 == pytest.approx(metrics.Z_95**2 * end * (1.0 - end) / of, abs=1e-12)
    low, high = metrics.wilson(352, 400)
    assert (round(low, 3), round(high, 3)) == (0.844, 0.908)
    assert metrics.wilson(80, 80).high == pytest.approx(1.0) and metrics.wilson(80, 80).low == pytest.approx(
        0.954, abs=1e-3
    )
    for right, of in ((1, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="at most all"):
            metrics.wilson(right, of)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    seen = rng.binomial(80, 0.88, 4_000)
    held = [metrics.wilson(int(right), 80) for right in seen]
    assert np.mean([low <= 0.88 <= high for low, high in held]) == pytest.approx(0.95, abs=0.02)


def test_folds_spread_as_a_sample_does() -> None:
    assert metrics.spread([0.8, 0.9]) == pytest.approx((0.85, 0.1 / math.sqrt(2)))
    mean, deviation = metrics.spread([0.7])
    assert mean == 0.7 and math.isnan(deviation)
    with pytest.raises(ValueError, match="at least one"):
        metrics.spread([])
