"""What was got wrong, told apart: words missed, words put in, words taken for others.

In: pairs of reference and hypothesis. Out: counts, after the same normalisation as in benches/accuracy.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import jiwer
from wer import normalise


@dataclass(frozen=True)
class Errors:
    """Counts over `words` of the references."""

    words: int
    missed: int
    added: int
    wrong: int

    def percent(self, count: int) -> float:
        """100 count / words."""
        return 100.0 * count / self.words

    @property
    def rate(self) -> float:
        """Word error rate in percent."""
        return self.percent(self.missed + self.added + self.wrong)


def errors(pairs: Iterable[tuple[str, str]]) -> Errors:
    """Pooled over (reference, hypothesis) pairs, of which every reference has words."""
    references, hypotheses = zip(*((normalise(one), normalise(other)) for one, other in pairs), strict=True)
    counts = jiwer.process_words(list(references), list(hypotheses))
    return Errors(
        words=counts.hits + counts.substitutions + counts.deletions,
        missed=counts.deletions,
        added=counts.insertions,
        wrong=counts.substitutions,
    )
