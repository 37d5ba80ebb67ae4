"""In which noise, how loud and where: the table of conditions, made by design because the full one takes hours.

Out: conditions, each once. `designed` varies one thing at a time around what is usual, and has the far corners;
`full` has every combination.
"""

from dataclasses import dataclass
from itertools import product

NOISES = ("held", "babble")
SNRS_DB = (20.0, 10.0, 5.0, 0.0)
USUAL_DBFS = -26.0
"""The nominal level of speech in ITU-T P.56 and P.830."""
LEVELS_DBFS = (-6.0, USUAL_DBFS, -40.0)
ROOMS_S = (None, 0.3, 0.6)


@dataclass(frozen=True)
class Condition:
    """One row of the table."""

    noise: str | None
    snr_db: float | None
    """Level of the speech within its marked words over that of the noise; none without noise."""
    level_dbfs: float
    """RMS of the speech within its marked words; 0 dBFS is an RMS of 1."""
    room_s: float | None
    """Reverberation time; none for the recording as it is."""

    @property
    def name(self) -> str:
        """A short name, as in `babble 5 dB, -40 dBFS, .3 s`."""
        noise = "no noise" if self.noise is None else f"{self.noise} {self.snr_db:g} dB"
        room = "" if self.room_s is None else f", {self.room_s:g} s"
        return f"{noise}, {self.level_dbfs:g} dBFS{room}"


def _crossed(
    snrs_db: tuple[float, ...], levels_dbfs: tuple[float, ...], rooms_s: tuple[float | None, ...]
) -> list[Condition]:
    """No noise and both noises at every one of these."""
    result = []
    for level_dbfs, room_s in product(levels_dbfs, rooms_s):
        result.append(Condition(None, None, level_dbfs, room_s))
        result += [Condition(noise, snr_db, level_dbfs, room_s) for noise, snr_db in product(NOISES, snrs_db)]
    return result


def designed() -> list[Condition]:
    """41: every signal-to-noise ratio in every room at the usual level; other levels without noise, at 10 and at 0 dB.

    And both other levels at 5 dB in the room that rings longer.
    """
    loud_and_faint = tuple(level for level in LEVELS_DBFS if level != USUAL_DBFS)
    corners = [each for each in _crossed((5.0,), loud_and_faint, (ROOMS_S[-1],)) if each.noise]
    return [*_crossed(SNRS_DB, (USUAL_DBFS,), ROOMS_S), *_crossed((10.0, 0.0), loud_and_faint, (None,)), *corners]


def full() -> list[Condition]:
    """81: all signal-to-noise ratios of both noises, and none, at all levels in all rooms."""
    return _crossed(SNRS_DB, LEVELS_DBFS, ROOMS_S)
