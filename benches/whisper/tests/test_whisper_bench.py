"""Figures out of texts and times, manifests with another context, recordings to invent words on."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from builds import ROOT, context_name, with_context
from clips import SAMPLE_RATE_HZ, SoundClip, Utterance, Word
from context import ALL, GRID, LIVE, before_it_begins_anew, frames_of, last_rolling, log_probability, stages
from engines import ours, pairs, theirs
from invented import CUT, LEVELS_DBFS, QUIET, TAKES, Recording, cut_words, figures, quiet, sounds
from placed import by_place, parsed, summed
from report import context_table, invented_table, times_table, words_table
from spoken import compared, errors, same
from word_times import Error

TIMIT = Utterance(Path("a.flac"), "four words are here", "TIMIT")
OTHER = Utterance(Path("b.flac"), "two words", "LibriSpeech")


def test_errors_are_told_by_source() -> None:
    found = errors([TIMIT, OTHER], {TIMIT: "Four words are there.", OTHER: "two words"})
    assert found == pytest.approx({"wer": 100 / 6, "wer_timit": 25.0, "wer_rest": 0.0})


def test_texts_may_be_the_same_in_words_and_not_in_letters() -> None:
    one, other = {TIMIT: "Four words", OTHER: "a b"}, {TIMIT: "four  words.", OTHER: "a  b"}
    assert same(one, other) == {"letter": 0.5, "words": 1.0}


def test_every_pair_is_of_rows_that_are_run() -> None:
    own, others = {row.name for row in ours()}, {row.name for row in theirs()}
    assert len(pairs()) == 4
    for pair in pairs():
        assert pair.ours in own and pair.theirs in others


def test_a_pair_has_its_ratio_a_round() -> None:
    pair = pairs()[0]
    texts = {name: {TIMIT: "four words are here"} for name in (pair.ours, pair.theirs)}
    rows = [
        {"engine": name, "round": k, "audio_s": 2.0, "wall_s": wall_s * (k + 1), "cpu_s": 1.0}
        for name, wall_s in ((pair.ours, 1.0), (pair.theirs, 4.0))
        for k in range(2)
    ]
    found = compared(pair, [TIMIT], texts, rows)
    assert found["ratio_wall"] == {"median": 0.25, "lowest": 0.25, "highest": 0.25}
    assert found["ratio_cpu"]["median"] == 1.0
    assert (found["wer_apart"], found["same"]) == (0.0, {"letter": 1.0, "words": 1.0})


def test_a_manifest_gets_another_name_and_context_and_nothing_else() -> None:
    manifest = (ROOT / "models" / "whisper-tiny-en" / "model.toml").read_text(encoding="utf-8")
    expected = tomllib.loads(manifest)
    made = tomllib.loads(with_context(manifest, "other", (2.0, 5.0)))
    assert made["whisper"].pop("context") == {"after_s": 2.0, "least_s": 5.0}
    expected["name"] = "other"
    expected["whisper"].pop("context", None)
    assert made == expected
    again = with_context(with_context(manifest, "other", (2.0, 5.0)), "third", (1.0, 30.0))
    assert tomllib.loads(again)["whisper"]["context"] == {"after_s": 1.0, "least_s": 30.0}
    assert len({context_name(context) for context in (*GRID, *LIVE)}) == len({*GRID, *LIVE})


@pytest.mark.parametrize(
    ("seconds", "context", "frames"),
    [
        (3.0, (2.0, 5.0), 250),
        (3.01, (2.0, 5.0), 251),
        (1.0, (2.0, 5.0), 250),
        (29.0, (2.0, 5.0), 1500),
        (1.0, ALL, 1500),
    ],
)
def test_so_many_states_are_heard(seconds: float, context: tuple[float, float], frames: int) -> None:
    assert frames_of(round(seconds * SAMPLE_RATE_HZ), context) == frames


def test_the_end_counts_as_certain() -> None:
    from auricle_export.whisper.decode import Reading

    assert log_probability(Reading([1], [np.exp(-2.0)], [])) == pytest.approx(-1.0)
    assert log_probability(Reading()) == 0.0


def test_a_reading_ends_where_attention_jumps_back() -> None:
    from auricle_export.whisper.decode import Reading

    def reading(places: list[int]) -> Reading:
        rows = [np.eye(200, dtype=np.float32)[[place, place]] for place in places]
        return Reading(list(range(len(places))), [1.0] * len(places), rows)

    assert before_it_begins_anew(reading([10, 100, 20, 30, 40, 50]), 200).tokens == [0, 1]
    assert len(before_it_begins_anew(reading([10, 100, 20, 30, 60, 20]), 200).tokens) == 6
    # Behind the audio is silence, to which a look means nothing.
    assert len(before_it_begins_anew(reading([10, 100, 20, 30, 40, 50]), 60).tokens) == 6


def test_what_was_shown_last_before_the_final() -> None:
    def caption(segment: int, state: str, text: str) -> dict[str, object]:
        return {"type": "caption", "segment": segment, "state": state, "text": text}

    events = [
        caption(0, "partial", "a"),
        caption(0, "partial", "a b"),
        caption(0, "final", "c"),
        caption(1, "partial", "d"),
    ]
    assert last_rolling(events) == "a b d"


def test_stages_are_medians_by_length() -> None:
    measured = [
        {
            "stages": [
                {"stage": "log-mel, 2 s as 30 s", "cpu_ms": [1.0, 3.0, 2.0]},
                {"stage": "encoder, 2 s as 30 s", "cpu_ms": [10.0]},
                {"stage": "step, 1 after 8 tokens, 2 s", "cpu_ms": [9.0]},
                {"stage": "transcribe, 2 s", "cpu_ms": [20.0]},
                {"stage": "transcribe, 2 s, all in the draft", "cpu_ms": [5.0]},
            ]
        }
    ]
    assert stages(measured) == {"log-mel": {"2": 2.0}, "encoder": {"2": 10.0}, "transcribe": {"2": 20.0}}


def test_word_times_are_compared_over_the_words_that_all_have() -> None:
    spoken = [Word(0.0, 0.5, "one"), Word(0.5, 1.0, "two"), Word(1.0, 1.5, "three")]
    told = [parsed("0.100\t0.600\tOne"), parsed("1.000\t1.400\tthree.")]
    found = by_place(spoken, told)
    assert sorted(found) == [0, 2] and found[0].start_s == pytest.approx(0.1) and found[2].end_s == pytest.approx(-0.1)
    errors_by = {
        "a": {("x", 0): Error(0.1, 0.2), ("x", 1): Error(5.0, 5.0)},
        "b": {("x", 0): Error(-0.3, 0.0), ("y", 0): Error(1.0, 1.0)},
    }
    figures_of = summed(errors_by, "b", {"y"})
    assert (figures_of["own"]["words"], figures_of["same"]["words"], figures_of["held_out"]["words"]) == (2, 1, 0)
    assert (figures_of["same"]["start_median_s"], figures_of["same"]["start_signed_s"]) == (0.3, -0.3)


def test_words_too_many_are_invented() -> None:
    second = np.zeros(SAMPLE_RATE_HZ)
    recordings = [Recording(QUIET, second, 0), Recording(QUIET, second, 0), Recording(CUT, second, 1)]
    found = figures(recordings, ["", "Thank you.", "Yes."])
    assert found[QUIET] == {"recordings": 2, "invented": 0.5, "words": 2, "words_an_hour": 3600.0, "nothing": 0.5}
    assert found[CUT] == {"recordings": 1, "invented": 0.0, "words": 0, "words_an_hour": 0.0, "nothing": 0.0}


def test_what_words_are_invented_on() -> None:
    made = quiet()
    assert len(made) == 1 + TAKES * len(LEVELS_DBFS) and not made[0].samples.any()
    assert 20 * np.log10(np.sqrt(np.mean(made[-1].samples ** 2))) == pytest.approx(LEVELS_DBFS[-1])
    assert sounds([], 4) == []
    assert cut_words([TIMIT], 4) == []


def test_sounds_are_spread(tmp_path: Path) -> None:
    import soundfile

    clips = []
    for k in range(6):
        path = tmp_path / f"{k}.wav"
        soundfile.write(path, np.full(10, k / 10), SAMPLE_RATE_HZ, subtype="FLOAT")
        clips.append(SoundClip(path, "rain", "1"))
    assert [round(10 * float(each.samples[0])) for each in sounds(clips, 3)] == [0, 2, 4]


def test_tables_say_what_is_missing() -> None:
    factor = {"median": 0.1, "lowest": 0.1, "highest": 0.2}
    errors_of = {"wer": 1.0, "wer_timit": float("nan"), "wer_rest": 1.0, "start_s": 1.0, "peak_mib": 100.0}
    pair = {"ours": "a", "theirs": "b", "same": {"letter": 1.0, "words": 0.5}, "wer_apart": -0.1}
    words = {
        "clips": 1,
        "words": 4,
        "audio_s": 2.0,
        "rounds": 1,
        "engines": {
            "a": errors_of | {"factor_wall": factor, "factor_cpu": factor},
            "b": errors_of | {"factor_wall": factor, "factor_cpu": factor},
        },
        "pairs": [pair | {"ratio_wall": factor, "ratio_cpu": factor}],
    }
    told = words_table(words)
    assert "| a     |  1.00 |     - |" in told and "-0.10" in told and "50.0 %" in told
    each = {"wer": 1.0, "wer_timit": 2.0, "wer_rest": 0.5}
    told = context_table(
        {
            "clips": 3,
            "live_clips": 1,
            "once": {"x": each | {"begun_anew": 0.0, "doubted": 0.25}},
            "live": {"x": each | {"wer_rolling": 3.0, "cpu_share": 0.1}},
            "timed": {"x": {"encoder": {"2": 3.0}}},
        }
    )
    assert "25.0 %" in told and "10.0 %" in told and "| x, encoder | 3.0 |   - |" in told
    own = {f"{edge}_{what}_s": 0.05 for edge in ("start", "end") for what in ("median", "p95", "signed")} | {"words": 2}
    rows = {"clips": 1, "spoken": 3, "engines": {"a": {"same": own, "held_out": {"words": 0}, "own": own}}}
    assert "| a, held out  |     0 |            - |" in times_table(rows)
    kind = {"recordings": 2, "invented": 0.5, "words": 2, "words_an_hour": 3600.0, "nothing": 0.5}
    assert "50.0 %" in invented_table({"engines": {"a": {"sounds": kind}}})
