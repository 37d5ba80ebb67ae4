"""The log-mel reference against what can be known without it, and the kept test vector against the reference."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from auricle_export import yamnet
from auricle_export.logmel import frame_count, hann_periodic, hz_to_mel, log_mel, mel_matrix
from auricle_export.yamnet import RECIPE

VECTOR = Path(__file__).parents[2] / "tests" / "data" / "yamnet_logmel.json"


def test_mel_scale_is_htk() -> None:
    """1000 Hz is 1000 mel, within the rounding of HTK's constants."""
    assert hz_to_mel(1000.0) == pytest.approx(1000.0, abs=0.02)
    assert hz_to_mel(7500.0) == pytest.approx(2595.0 * math.log10(1.0 + 7500.0 / 700.0), rel=1e-4)


def test_window_is_periodic() -> None:
    """Shifted by half its length a periodic Hann window adds to one; a symmetric one does not."""
    window = hann_periodic(400)
    assert np.allclose(window + np.roll(window, 200), 1.0)


def test_triangles_share_each_bin_and_leave_out_0_hz() -> None:
    """Between the first and the last peak neighbouring triangles add to one; outside 125-7500 Hz there is nothing."""
    weights = mel_matrix(RECIPE)
    hz = np.arange(257) * 16_000 / 512
    edges = np.linspace(hz_to_mel(125.0), hz_to_mel(7500.0), 66)
    inside = (hz_to_mel(hz) >= edges[1]) & (hz_to_mel(hz) <= edges[-2])
    assert np.allclose(weights[inside].sum(axis=1), 1.0)
    assert not weights[(hz <= 125.0) | (hz >= 7500.0)].any()
    assert (weights.sum(axis=0) > 0.0).all()


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (15_599, 95), (15_600, 96)]
)
def test_only_whole_frames_are_made(samples: int, frames: int) -> None:
    """No centring and no padding: frames are counted by what fits."""
    assert frame_count(samples, RECIPE) == frames
    assert log_mel(np.zeros(samples), RECIPE).shape == (frames, 64)


def test_a_frame_is_the_definition_written_out() -> None:
    """One band of one frame, by a plain sum over time instead of a transform."""
    rng = np.random.default_rng(5)
    x = rng.uniform(-1.0, 1.0, 900)
    weights, n = mel_matrix(RECIPE), np.arange(400)
    frame = x[2 * 160 : 2 * 160 + 400] * (0.5 - 0.5 * np.cos(2.0 * np.pi * n / 400))
    band = sum(
        weights[k, 20] * abs(np.sum(frame * np.exp(-2j * np.pi * k * n / 512))) for k in np.flatnonzero(weights[:, 20])
    )
    assert log_mel(x, RECIPE)[2, 20] == pytest.approx(math.log(band + 1e-6), abs=1e-12)


def test_silence_is_the_logarithm_of_the_offset() -> None:
    """Digital silence is the floor, never minus infinity."""
    assert np.array_equal(log_mel(np.zeros(400), RECIPE), np.full((1, 64), np.log(1e-6)))


def test_stereo_is_refused_by_name() -> None:
    """A second axis is an error that says what was given."""
    with pytest.raises(ValueError, match=r"shape \(2, 400\)"):
        log_mel(np.zeros((2, 400)), RECIPE)


def test_patches_start_at_the_hop_and_are_whole() -> None:
    """Frames 0..191 at hop 48 give patches from frames 0, 48 and 96; one frame fewer loses the last."""
    frames = np.repeat(np.arange(192.0)[:, None], 64, axis=1)
    assert yamnet.patches(frames)[:, 0, 0].tolist() == [0.0, 48.0, 96.0]
    assert len(yamnet.patches(frames[:191])) == 2
    assert yamnet.patches(frames[:95]).shape == (0, 96, 64)


def test_quantising_saturates() -> None:
    """The zero point is 0.0; what lies outside the range sticks to its ends."""
    patch = np.array([0.0, yamnet.INPUT_SCALE, -100.0, 100.0])
    assert yamnet.quantise(patch).tolist() == [144, 145, 0, 255]


def test_the_kept_vector_is_what_the_reference_makes() -> None:
    """`tests/data/yamnet_logmel.json` was made by this code, digit for digit but for the last one."""
    kept, made = json.loads(VECTOR.read_text(encoding="utf-8")), yamnet.make_vector()
    assert kept["sample_rate_hz"] == 16_000
    assert [case["name"] for case in kept["cases"]] == [case["name"] for case in made["cases"]]
    for case, again in zip(kept["cases"], made["cases"], strict=True):
        assert case["samples"] == again["samples"]
        assert np.shape(case["log_mel"]) == (case["frames"], case["mels"])
        np.testing.assert_allclose(case["log_mel"], again["log_mel"], rtol=0.0, atol=1e-5)
        np.testing.assert_allclose(case["log_mel"], log_mel(case["samples"], RECIPE), rtol=0.0, atol=1e-5)
