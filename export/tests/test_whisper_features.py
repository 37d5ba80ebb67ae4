"""Whisper's log-mel against what can be known without it, and the kept test vector against the definition."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from auricle_export.whisper import vector
from auricle_export.whisper.features import filled, log_mel, mel_matrix, mel_to_hz

VECTOR = Path(__file__).parents[2] / "tests" / "data" / "whisper_logmel.json"


def slaney_hz(mel: float) -> float:
    """The scale as the Auditory Toolbox tells it: 13 1/3 linear steps of 66 2/3 Hz from 133 1/3 Hz to 1 kHz, then each
    1.0711703 times the one before."""
    return 200 / 3 * mel if mel <= 15 else 1000 * 1.0711703 ** (mel - 15)


def test_mel_scale_is_slaneys() -> None:
    for mel in (0.0, 1.0, 14.9, 15.0, 15.1, 30.0, 42.0):
        assert float(mel_to_hz(mel)) == pytest.approx(slaney_hz(mel), rel=1e-6)
    assert float(mel_to_hz(42.0)) == pytest.approx(6400.0)


@pytest.mark.parametrize("mels", [80, 128])
def test_bands_are_triangles_of_area_one(mels: int) -> None:
    """Straight in hertz: on a grid that is fine enough every triangle integrates to one; between two tops the bands
    that overlap weigh what straight lines do."""
    weights = mel_matrix(mels)
    assert weights.shape == (201, mels)
    assert not weights[0].any()
    assert (weights.sum(axis=0) > 0).all()
    highest = 15 + math.log(8) / math.log(1.0711703)
    edges = [slaney_hz(highest * place / (mels + 1)) for place in range(mels + 2)]
    for band in (0, 7, mels // 2, mels - 1):
        low, top, high = edges[band : band + 3]
        for bin_, weight in enumerate(weights[:, band]):
            hz = 40.0 * bin_
            line = (hz - low) / (top - low) if hz <= top else (high - hz) / (high - top)
            assert weight == pytest.approx(max(0.0, line) * 2 / (high - low), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("mels", [80, 128])
def test_it_is_the_definition_written_out(mels: int) -> None:
    """Some bands of some frames by plain sums over time, the first and the last among them."""
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, 1000)
    found, weights, n = log_mel(x, mels), mel_matrix(mels), np.arange(400)
    assert found.shape == (mels, 6)
    window = [0.5 - 0.5 * math.cos(2 * math.pi * place / 400) for place in n]
    bands = (0, 3, 40, mels - 1)
    logs = {}
    for frame in range(6):
        places = [abs(160 * frame + place - 200) for place in n]
        cut = np.array([x[place if place < 1000 else 2 * 999 - place] for place in places]) * window
        for band in bands:
            power = sum(
                weights[k, band] * abs(np.sum(cut * np.exp(-2j * np.pi * k * n / 400))) ** 2
                for k in np.flatnonzero(weights[:, band])
            )
            logs[band, frame] = math.log10(max(power, 1e-10))
    for (band, frame), log in logs.items():
        assert found[band, frame] == pytest.approx((log + 4) / 4, abs=1e-9), (band, frame)


def test_only_eight_decades_are_told_apart() -> None:
    """A burst makes the silence behind it as loud as its largest less eight decades; silence alone is the floor."""
    burst = np.zeros(3200)
    burst[:400] = np.random.default_rng(1).uniform(-1, 1, 400)
    found = log_mel(burst, 80)
    assert found.max() - found.min() == pytest.approx(2.0)
    assert np.allclose(found[:, 10:], found.min())
    assert np.array_equal(log_mel(np.zeros(800), 80), np.full((80, 5), -1.5))


def test_audio_is_cut_or_filled_up() -> None:
    x = np.arange(5.0)
    assert filled(x, 3).tolist() == [0, 1, 2]
    assert filled(x, 7).tolist() == [0, 1, 2, 3, 4, 0, 0]
    assert log_mel(filled(x, 480_000), 80).shape == (80, 3000)


@pytest.mark.parametrize("shape", [(2, 400), (200,), (0,)])
def test_what_cannot_be_reflected_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected one channel of more than 200"):
        log_mel(np.zeros(shape), 80)


@pytest.mark.parametrize("mels", [80, 128])
def test_it_is_what_pytorch_makes_of_the_definition(mels: int) -> None:
    """The reference's own steps, by torch's transform in single precision, within what the runtime is held to."""
    torch = pytest.importorskip("torch", reason="torch is not installed: 'make torch'")
    x = np.random.default_rng(2).uniform(-0.3, 0.3, 8000).astype(np.float32)
    audio = torch.tensor(x.tolist())
    spectrum = torch.stft(audio, 400, 160, window=torch.hann_window(400), return_complex=True)
    power = spectrum[..., :-1].abs() ** 2
    log = (torch.tensor(mel_matrix(mels).T.tolist()) @ power).clamp(min=1e-10).log10()
    expected = (torch.maximum(log, log.max() - 8.0) + 4.0) / 4.0
    np.testing.assert_allclose(log_mel(x, mels), expected.tolist(), atol=1e-4)


def test_the_kept_vector_is_what_the_definition_makes() -> None:
    """`tests/data/whisper_logmel.json` was made by this code, digit for digit but for the last one."""
    kept, made = json.loads(VECTOR.read_text(encoding="utf-8")), vector.make_vector()
    assert [case["name"] for case in kept["cases"]] == [case["name"] for case in made["cases"]]
    for case, again in zip(kept["cases"], made["cases"], strict=True):
        assert case["samples"] == again["samples"]
        for mels in (80, 128):
            assert np.shape(case[f"log_mel_{mels}"]) == (case["frames"], mels)
            np.testing.assert_allclose(case[f"log_mel_{mels}"], again[f"log_mel_{mels}"], rtol=0, atol=1e-6)
