"""Training goes on where it was stopped, learns, and is refused where a run cannot be gone on with. Needs PyTorch."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from auricle_export.audio_transformer import clips, metrics, mixtures, runs
from auricle_export.yamnet import CLASSES as TEACHER_CLASSES

torch = pytest.importorskip("torch", reason="PyTorch is not installed: 'make torch'")
pytest.importorskip("soundfile", reason="soundfile is not installed: 'make test-venv'")

from auricle_export.audio_transformer import calibrate, evaluate, pool, train  # noqa: E402

PITCHES_HZ = (300.0, 2_000.0)
CHUNKS = 400


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> clips.Collection:
    """Two classes of hums in noise, three folds of six clips."""
    import soundfile

    folder = tmp_path_factory.mktemp("hums")
    rng = np.random.default_rng(0)
    rows = ["path\tlabel\tfold\tsource\tlicence"]
    for fold in (1, 2, 3):
        for number in range(6):
            pitch = PITCHES_HZ[number % 2] * rng.uniform(0.9, 1.1)
            time = np.arange(24_000) / 16_000.0
            samples = 0.2 * np.sin(2 * np.pi * pitch * time) + 0.02 * rng.standard_normal(len(time))
            name = f"{fold}-{number}.wav"
            soundfile.write(folder / name, samples, 16_000)
            rows.append(f"{name}\t{('low', 'high')[number % 2]}\t{fold}\tmade\tCC0")
    (folder / "clips.tsv").write_text("\n".join(rows) + "\n")
    return clips.read(folder)


@pytest.fixture(scope="module")
def parts(collection: clips.Collection) -> list[pool.Pool]:
    """Chunks of folds 1 and 2; what the teacher says is drawn."""
    rng = np.random.default_rng(0)
    out = []
    for fold in ("1", "2"):
        pieces = [mixtures.piece(clips.samples(clip), clip.labels) for clip in collection.clips if clip.fold == fold]
        mixer = mixtures.Mixer(pieces, 2, [], seed=int(fold))
        rows = [mixer.chunk() for _ in range(CHUNKS)]
        samples = np.stack([np.rint(chunk * 32_767).astype(np.int16) for chunk, _ in rows])
        truth = np.stack([each.astype(np.uint8) for _, each in rows])
        logits = rng.integers(150, 230, (CHUNKS, TEACHER_CLASSES)).astype(np.uint8)
        out.append(pool.Pool(samples, truth, logits, rng.normal(0, 1, (CHUNKS, 1024)).astype(np.float16)))
    return out


def learn(collection: clips.Collection, parts: list[pool.Pool], folder: Path, **settings: object) -> runs.Run:
    usual = {"steps": 6, "batch": 8, "chunks": CHUNKS}
    torch.set_num_threads(1)
    train.train(train.Settings(**(usual | settings)), collection, "3", ["1", "2"], parts, folder, torch.device("cpu"))
    return runs.load(folder)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    collection: clips.Collection, parts: list[pool.Pool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "CHECKPOINT_EVERY", 3)
    monkeypatch.setattr(train, "CURVE_EVERY", 1)
    clock = itertools.count(0.0, 60.0)
    monkeypatch.setattr(train.time, "process_time", lambda: next(clock))
    whole = learn(collection, parts, tmp_path / "whole")
    step = train._Learner.step

    def stopped(self: train._Learner, number: int, chunks: object) -> object:
        if number == 4:
            raise KeyboardInterrupt
        return step(self, number, chunks)

    with monkeypatch.context() as patched:
        patched.setattr(train._Learner, "step", stopped)
        with pytest.raises(KeyboardInterrupt):
            learn(collection, parts, tmp_path / "parted")
    parted = learn(collection, parts, tmp_path / "parted")
    assert sorted(parted.weights) == sorted(whole.weights)
    assert all(np.array_equal(parted.weights[name], whole.weights[name]) for name in whole.weights)
    assert not np.array_equal(whole.weights["classifier.head.bias"], np.zeros(2))
    assert parted.minutes == whole.minutes == 2.0
    steps, errors = evaluate.curve(parted.folder / "curve.tsv")
    assert steps.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert errors.tolist() == evaluate.curve(whole.folder / "curve.tsv")[1].tolist()


@pytest.mark.parametrize("settings", [{"loss": "huber"}, {"configuration": "multi-scale", "causal": True}])
def test_other_settings_learn_other_weights_and_are_measured(
    collection: clips.Collection, parts: list[pool.Pool], tmp_path: Path, settings: dict[str, object]
) -> None:
    run = learn(collection, parts, tmp_path / "run", steps=2, **settings)
    result = evaluate.measure(run, collection)
    assert result.single and result.truth.shape == (6, 2)
    assert 0.0 <= result.mean_average_precision <= 1.0
    assert np.all((result.scores > 0.0) & (result.scores < 1.0))


def test_what_is_learned_is_told(collection: clips.Collection, parts: list[pool.Pool], tmp_path: Path) -> None:
    """Hums an octave and more apart, in a fold that was held out: twenty steps are enough."""
    result = evaluate.measure(learn(collection, parts, tmp_path / "run", steps=20, batch=32, teacher=False), collection)
    assert result.right == 6
    assert result.mean_average_precision == 1.0


def test_another_runs_folder_is_refused(collection: clips.Collection, parts: list[pool.Pool], tmp_path: Path) -> None:
    learn(collection, parts, tmp_path / "run", steps=1)
    with pytest.raises(runs.RunError, match="another run stands there"):
        learn(collection, parts, tmp_path / "run", steps=2)


def test_a_checkpoint_that_is_none_is_refused(
    collection: clips.Collection, parts: list[pool.Pool], tmp_path: Path
) -> None:
    for name, damage in (("cut", lambda path: path.write_bytes(path.read_bytes()[:1000])), ("empty", Path.touch)):
        folder = tmp_path / name
        learn(collection, parts, folder, steps=1)
        (folder / "checkpoint.pt").unlink() if name == "empty" else None
        damage(folder / "checkpoint.pt")
        with pytest.raises(runs.RunError, match="cannot be gone on from"):
            learn(collection, parts, folder, steps=1)


def test_runs_that_are_not_finished_or_not_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(runs.RunError, match="train it to its end"):
        runs.load(tmp_path)
    np.savez(tmp_path / "weights.npz", bias=np.zeros(2, np.float16))
    for text, says in (("[]", "no table"), ("{", "cannot be read"), (json.dumps({"settings": {}}), "as a run")):
        (tmp_path / "settings.json").write_text(text)
        (tmp_path / "cost.json").write_text('{"processor_minutes": 1}')
        with pytest.raises(runs.RunError, match=says):
            runs.load(tmp_path)


def test_fsd50k_is_learned_from_and_measured_in_its_own_layout(tmp_path: Path) -> None:
    """A miniature: several labels a clip, several rates; what is evaluated is `eval`, by mean average precision."""
    import soundfile

    rng = np.random.default_rng(3)
    truth, data = tmp_path / "FSD50K.ground_truth", tmp_path
    truth.mkdir()
    (truth / "vocabulary.csv").write_text("0,Low,/m/01\n1,High,/m/02\n2,Noise,/m/03\n")
    kinds = {"Low": "/m/01", "High": "/m/02", "Noise": "/m/03", "Low,High": "/m/01,/m/02"}
    for part, listed in (("dev", "fname,labels,mids,split"), ("eval", "fname,labels,mids")):
        (data / f"FSD50K.{part}_audio").mkdir()
        rows = [listed]
        for number in range(12):
            label = list(kinds)[number % 4]
            rate = (44_100, 16_000)[number % 2]
            time = np.arange(rate // (1 if number % 3 else 2)) / rate
            samples = 0.02 * rng.standard_normal(len(time))
            for name, pitch in zip(("Low", "High"), PITCHES_HZ, strict=True):
                samples += 0.2 * np.sin(2 * np.pi * pitch * time) * (name in label)
            soundfile.write(data / f"FSD50K.{part}_audio" / f"{part}{number}.wav", samples, rate)
            split = (",train", ",val")[number % 4 == 3] if part == "dev" else ""
            rows.append(f'{part}{number},"{label}","{kinds[label]}"{split}')
        (truth / f"{part}.csv").write_text("\n".join(rows) + "\n")
    collection = clips.read(data)
    learned = [clip for clip in collection.clips if clip.fold == "train"]
    pieces = [mixtures.piece(clips.samples(clip), clip.labels) for clip in learned]
    mixer = mixtures.Mixer(pieces, 3, [], seed=1)
    rows = [mixer.chunk() for _ in range(2 * CHUNKS)]
    chunks = pool.Pool(
        np.stack([np.rint(chunk * 32_767).astype(np.int16) for chunk, _ in rows]),
        np.stack([each.astype(np.uint8) for _, each in rows]),
        np.full((2 * CHUNKS, TEACHER_CLASSES), 190, np.uint8),
        rng.normal(0, 1, (2 * CHUNKS, 1024)).astype(np.float16),
    )
    torch.set_num_threads(1)
    settings = train.Settings(steps=2, batch=8, teacher=False)
    train.train(settings, collection, "eval", ["train"], [chunks], tmp_path / "run", torch.device("cpu"))
    result = evaluate.measure(runs.load(tmp_path / "run"), collection)
    assert result.truth.shape == (12, 3) and not result.single
    by_class = metrics.average_precisions(result.truth, result.scores)
    assert result.mean_average_precision == pytest.approx(by_class.mean())
    assert "| fold eval |" in evaluate.table([result])
    assert "| 12 |  |  |" in evaluate.table([result]), "no share of right clips where clips have several labels"


def test_a_class_begins_once_until_it_has_ended() -> None:
    scores = np.array([0.1, 0.6, 0.4, 0.6, 0.2, 0.6])
    assert calibrate.begun(scores, 0.5) == 2
    assert calibrate.begun(scores, 0.7) == 0


def test_the_lowest_threshold_that_is_seldom_false_is_taken() -> None:
    """An hour of nothing in which the class rises to .65 thirty times, and three true sounds."""
    wrong = calibrate.Heard(np.tile([[0.65], [0.0]], (30, 1)), -1, 1.0)
    true = [calibrate.Heard(np.array([[peak]]), 0, 0.1) for peak in (0.4, 0.75, 0.9)]
    line = calibrate.table([wrong, *true], ["Dog"], 20.0).splitlines()[1]
    assert line == '"Dog" = { on = 0.7, off = 0.35 } # 0 an hour, 0.67 of 3'
    assert '"Dog" = { on = 0.3,' in calibrate.table([wrong, *true], ["Dog"], 30.0)
