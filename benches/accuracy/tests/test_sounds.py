"""The mapping from AudioSet to ESC-10, and what is refused."""

import numpy as np
import pytest
from auricle import Failed
from sounds import CLASSES, class_scores, labels_of, top1

LABELS = ["Speech", *(name for names in CLASSES.values() for name in names)]


def scores(**values: float) -> np.ndarray:
    """Scores [labels] that are 0.1 but where named; `__` stands for a comma and a blank, `_` for a blank."""
    given = {name.replace("__", ", ").replace("_", " "): value for name, value in values.items()}
    return np.array([given.get(label, 0.1) for label in LABELS])


def test_the_ten_classes_share_no_audioset_class() -> None:
    """Otherwise two of them could never be told apart."""
    assert len(CLASSES) == 10
    assert len(set(LABELS)) == len(LABELS)


def test_a_class_scores_as_its_best_audioset_class() -> None:
    """Not as their sum, which would favour classes with many names."""
    mean = scores(Tick=0.5, Clock=0.4, Dog=0.6)
    assert class_scores(mean, LABELS)["clock_tick"] == 0.5
    assert top1(mean, LABELS) == "dog"


def test_what_is_not_among_the_ten_does_not_compete() -> None:
    """Speech may be louder than the rain."""
    assert top1(scores(Speech=0.99, Rain=0.2), LABELS) == "rain"


def test_labels_of_another_model_are_refused() -> None:
    """By the first name that is missing."""
    with pytest.raises(Failed, match="'Chainsaw'"):
        class_scores(np.ones(2), ["dog", "cat"])


def test_labels_come_from_whichever_clip_was_first() -> None:
    """One run a process, so more than one event may carry them; they must agree."""
    plain, first = {"type": "scores"}, {"type": "scores", "labels": ["a", "b"]}
    assert labels_of([[plain], [first, plain]]) == ["a", "b"]
    with pytest.raises(Failed, match="no scores event"):
        labels_of([[plain]])
    with pytest.raises(Failed, match="different labels"):
        labels_of([[first], [{"type": "scores", "labels": ["b", "a"]}]])
