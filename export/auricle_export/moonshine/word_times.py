"""Word times: when each word of a reading was said, from the decoder's cross-attention and the level of the audio.

In: the attention of a few chosen heads, which tokens make which word, the samples of the segment. Out: a start and an
end for every word, seconds from the segment's first sample. `decode/alignment.rs` is the same in Rust.

Some heads, while they predict a token, look at the place where it begins; others, while the token is the input, look at
where it was said. The mean of both over frames is a score for every token at every frame. The best path through all
tokens in their order, with a pause allowed before, between and after words, gives the times (Viterbi). Attention knows
little of pauses, so their score grows as the audio falls below the middle between its quiet and its loud level.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 384
"""Samples from one encoder frame to the next."""
FRAME_BEGINS_SAMPLES = 160
"""Frame f stands for the samples from 384 f + 160 on; measured, the same for both models within 4 ms."""

LEAST_ATTENTION = 1e-4
"""Attention below this counts as this much."""
PAUSE_SCORE = -7.6
"""Score of a frame of pause where the audio is loud: as a token with .0005 of attention."""
QUIET_GAIN = 6.0
"""Added to it where the audio is quiet: as a token with .2."""
PAUSE_COST = 8.0
"""Taken off once for every pause, so that the closure of a plosive is not one."""
QUIET_BELOW_DB = 9.0
"""How far below the middle between quiet and loud a frame is wholly quiet."""
MOST_RANGE_DB = 60.0
"""Quiet is at most this far below loud, or digital silence would make all else loud."""
LEVEL_FLOOR = 1e-10
"""Mean square, -100 dBFS."""

SPACE = "\u2581".encode()

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Span:
    """Start and end in seconds from the first sample; the end is never before the start."""

    start_s: float
    end_s: float


def spoken_tokens(pieces: Sequence[bytes]) -> list[list[int]]:
    """Places of the tokens that are said, for each word that `pieces` (the bytes of every token) spell.

    A word begins at a piece that begins with U+2581. A token without a letter or a digit (ASCII, or any byte of a
    longer character) is not said, and its attention wanders; a word that has no other token keeps what it has.
    """
    words: list[list[int]] = []
    for place, piece in enumerate(pieces):
        if piece.startswith(SPACE) or not words:
            words.append([])
        words[-1].append(place)
    return [[place for place in word if _is_said(pieces[place])] or word for word in words]


def _is_said(piece: bytes) -> bool:
    rest = piece.removeprefix(SPACE)
    return any(byte >= 0x80 or chr(byte).isalnum() for byte in rest)


def token_scores(attention: npt.NDArray[np.floating], before: int, tokens: int) -> Floats:
    """Log of the mean attention over heads, [tokens, frames], at least `ln LEAST_ATTENTION`.

    `attention` [heads, rows, frames] has a row for the start token and one for every token after it that was fed to the
    decoder. Of the first `before` heads the row that predicts a token counts, of the others the token's own. A reading
    that was cut at its longest lacks the own row of the last token: there the first heads count alone.
    """
    heads, rows, frames = attention.shape
    if not 0 < before <= heads or rows < tokens:
        raise ValueError(f"attention {attention.shape} does not do for {before} heads before and {tokens} tokens")
    total = attention[:before, :tokens].sum(axis=0, dtype=np.float64)
    count = np.full((tokens, 1), float(before))
    own = min(rows - 1, tokens)
    total[:own] += attention[before:, 1 : own + 1].sum(axis=0, dtype=np.float64)
    count[:own] = heads
    return np.log(np.fmax(total / count, LEAST_ATTENTION)).reshape(tokens, frames)


def quietness(audio: npt.NDArray[np.floating], frames: int) -> Floats:
    """How quiet each frame is, [frames], 0 to 1, from `audio` [samples].

    The level of a frame is that of its own samples. Loud is the 95th percentile of the levels, quiet the 5th, both by
    nearest rank from below. Frames beyond the audio are quiet.
    """
    squares = np.concatenate([[0.0], np.cumsum(np.square(audio, dtype=np.float64))])
    begins = np.minimum(np.arange(frames) * FRAME_SAMPLES + FRAME_BEGINS_SAMPLES, len(audio))
    ends = np.minimum(begins + FRAME_SAMPLES, len(audio))
    power = (squares[ends] - squares[begins]) / np.maximum(ends - begins, 1)
    level_db = 10.0 * np.log10(np.maximum(power, LEVEL_FLOOR))
    ranked = np.sort(level_db)
    loud_db = ranked[(frames - 1) * 95 // 100]
    quiet_db = max(ranked[(frames - 1) * 5 // 100], loud_db - MOST_RANGE_DB)
    middle_db = (loud_db + quiet_db) / 2.0
    return np.clip((middle_db - level_db) / QUIET_BELOW_DB, 0.0, 1.0)


def best_path(scores: Floats, pauses: Floats, words: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """First frame and frame after the last of every word, on the best path.

    `scores` [tokens, frames] as of `token_scores`, `pauses` [frames] the score of a pause, `words` the tokens of each
    word. The states are a pause, then for every word its tokens and a pause; each frame is in one state. From a state
    the path stays, goes to the next, or past a pause to the one after; it begins in the first pause or the first token
    and ends in the last pause or the last token. Of equal ways the one that stays longer is taken. There must be at
    least as many frames as tokens.
    """
    states, owner = [-1], [-1]
    for number, word in enumerate(words):
        states += [*word, -1]
        owner += [number] * len(word) + [-1]
    token = np.array(states)
    paused = token < 0
    emitted = np.where(paused[:, None], pauses[None], scores[np.maximum(token, 0)])
    frames, count = len(pauses), len(states)

    entry = np.where(paused, -PAUSE_COST, 0.0)
    over = np.full(count, -np.inf)
    over[2:][paused[1:-1]] = 0.0
    best = np.full(count, -np.inf)
    best[:2] = emitted[:2, 0]
    steps = np.zeros((frames, count), np.int8)
    for frame in range(1, frames):
        ways = np.full((3, count), -np.inf)
        ways[0] = best
        ways[1, 1:] = best[:-1]
        ways[1] += entry
        ways[2, 2:] = best[:-2]
        ways[2] += over
        steps[frame] = ways.argmax(axis=0)
        best = ways.max(axis=0) + emitted[:, frame]

    state = count - 2 if best[count - 2] > best[count - 1] else count - 1
    spans = [(0, 0)] * len(words)
    for frame in range(frames - 1, -1, -1):
        word = owner[state]
        if word >= 0:
            end = spans[word][1] or frame + 1
            spans[word] = (frame, end)
        state -= int(steps[frame, state])
    return spans


def word_times(
    attention: npt.NDArray[np.floating], before: int, pieces: Sequence[bytes], audio: npt.NDArray[np.floating]
) -> list[Span]:
    """A span for every word that `pieces` spell; the spans are in order and do not overlap.

    `attention` [heads, rows, frames] and `before` as for `token_scores`, `audio` [samples] the segment at 16 kHz. Where
    there are fewer frames than tokens, which no reading within Moonshine's bound has, the words share the audio evenly.
    """
    words = spoken_tokens(pieces)
    frames = attention.shape[2]
    duration_s = len(audio) / SAMPLE_RATE_HZ
    if frames < sum(map(len, words)):
        share_s = duration_s / len(words)
        return [Span(number * share_s, (number + 1) * share_s) for number in range(len(words))]
    if not words:
        return []
    scores = token_scores(attention, before, len(pieces))
    pauses = PAUSE_SCORE + QUIET_GAIN * quietness(audio, frames)

    def seconds(frame: int) -> float:
        return min((frame * FRAME_SAMPLES + FRAME_BEGINS_SAMPLES) / SAMPLE_RATE_HZ, duration_s)

    return [Span(seconds(first), seconds(end)) for first, end in best_path(scores, pauses, words)]
