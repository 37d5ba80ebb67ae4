"""The Audio Transformer's graphs say what its definition says, in every configuration; so does the shipped model."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from auricle_export.audio_transformer import export, graphs, reference, runs
from auricle_export.audio_transformer.configuration import CONFIGURATIONS, Configuration, parameters, table
from auricle_export.audio_transformer.filter_bank import filter_bank
from auricle_export.audio_transformer.mixtures import CHUNK, Mixer, piece

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "models/audio-transformer"
CLASSES = 7
ALL = CONFIGURATIONS | {
    "causal": dataclasses.replace(CONFIGURATIONS["small"], causal=True),
    "causal multi-scale": dataclasses.replace(CONFIGURATIONS["multi-scale"], causal=True),
    "causal pooling": dataclasses.replace(CONFIGURATIONS["pooling"], causal=True),
}


def drawn(shape: Configuration, classes: int = CLASSES) -> runs.Weights:
    """Weights of chance, float16 widened, under PyTorch's names."""
    rng = np.random.default_rng(1)
    width, inner = shape.embedding, shape.feed_forward
    sizes = {"front_end.filters": (shape.hidden, 400), "front_end.mixture": (width, shape.hidden)}
    norms = ["classifier.norm"]
    for number in range(shape.layers):
        layer = f"classifier.layers.{number}"
        sizes[f"{layer}.query_key_value"] = (3 * width, width)
        sizes[f"{layer}.attention_out"] = (width, width)
        sizes[f"{layer}.feed_forward_in"] = (inner, width)
        sizes[f"{layer}.feed_forward_out"] = (width, inner)
        norms += [f"{layer}.attention_norm", f"{layer}.feed_forward_norm"]
    sizes["classifier.head"] = (classes, width)
    out = {f"{name}.weight": rng.normal(0, size[1] ** -0.5, size) for name, size in sizes.items()}
    out |= {f"{name}.bias": rng.normal(0, 0.1, size[0]) for name, size in sizes.items()}
    out |= {f"{name}.weight": rng.normal(1, 0.1, width) for name in norms}
    out |= {f"{name}.bias": rng.normal(0, 0.1, width) for name in norms}
    return {name: value.astype(np.float16).astype(np.float32) for name, value in out.items()}


def run(model: onnx.ModelProto, **given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, given)[0]


def second(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, 16_000).astype(np.float32)


@pytest.mark.parametrize("name", ALL)
def test_one_graph_and_two_say_what_the_definition_says(name: str) -> None:
    shape, samples = ALL[name], second()
    weights = drawn(shape)
    expected = reference.scores(weights, shape, samples)
    assert np.ptp(expected) > 0.05, "scores of chance differ"
    whole = run(graphs.whole(weights, shape), samples=samples[None])[0]
    embedded = run(graphs.window(weights, shape), samples=samples.reshape(40, 400))
    parted = run(graphs.classifier(weights, shape), embeddings=embedded[None])[0]
    np.testing.assert_allclose(whole, expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(parted, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ALL)
def test_parameters_are_those_of_the_weights(name: str) -> None:
    count = parameters(ALL[name], CLASSES)
    assert count["all"] == sum(value.size for value in drawn(ALL[name]).values())
    assert count["front end"] == 952_384


def test_pytorch_says_what_the_definition_says() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: 'make torch'")
    from auricle_export.audio_transformer.network import AudioTransformer

    for shape in ALL.values():
        weights, samples = drawn(shape), second()
        network = AudioTransformer(shape, CLASSES).eval()
        network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        with torch.no_grad():
            found = network(torch.from_numpy(samples)[None]).sigmoid().numpy()[0]
        np.testing.assert_allclose(found, reference.scores(weights, shape, samples), atol=1e-5, rtol=0)


def test_a_causal_network_does_not_hear_what_comes_later() -> None:
    """The states before a window are the same whatever the window is; what is scored is their mean, and is not."""
    for name, causal in (("causal", True), ("small", False), ("causal multi-scale", True), ("multi-scale", False)):
        shape = ALL[name]
        weights = drawn(shape)
        embedded = reference.embeddings(weights, second())
        changed = embedded.copy()
        changed[30:] = -embedded[30:]  # the level of the second stays
        states = [states_of(weights, shape, each) for each in (embedded, changed)]
        assert np.array_equal(states[0][:30], states[1][:30]) == causal, name
        assert not np.array_equal(states[0][30:], states[1][30:])


def states_of(weights: runs.Weights, shape: Configuration, embedded: np.ndarray) -> np.ndarray:
    """What the layers make of embeddings, before the mean: caught where the mean is taken."""
    caught: list[np.ndarray] = []
    original = reference._normed

    def normed(given: runs.Weights, name: str, states: np.ndarray) -> np.ndarray:
        if name == f"classifier.layers.{shape.layers - 1}.feed_forward_norm":
            caught.append(states)
        return original(given, name, states)

    reference._normed = normed
    try:
        reference.classify(weights, shape, embedded)
    finally:
        reference._normed = original
    return caught[0]


def test_the_level_of_a_second_does_not_matter_above_silence() -> None:
    shape = CONFIGURATIONS["small"]
    weights = drawn(shape) | {"front_end.filters.bias": np.zeros(2048, np.float32)}
    weights["front_end.mixture.bias"] = np.zeros(64, np.float32)
    loud, quiet = (reference.scores(weights, shape, second() * gain) for gain in (10.0, 1.0))
    np.testing.assert_allclose(loud, quiet, atol=2e-3)


def test_weights_that_float16_does_not_hold_are_refused() -> None:
    shape = CONFIGURATIONS["small"]
    weights = drawn(shape)
    weights["front_end.filters.bias"] = weights["front_end.filters.bias"] + np.float32(1e-5)
    with pytest.raises(ValueError, match="not float16 widened"):
        graphs.window(weights, shape)


def test_weights_come_back_out_of_the_graphs() -> None:
    shape = CONFIGURATIONS["small"]
    weights = drawn(shape)
    back = graphs.weights_of(graphs.window(weights, shape), graphs.classifier(weights, shape))
    assert sorted(back) == sorted(weights)
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


def test_the_table_says_where_counts_cannot_agree() -> None:
    text = table(10)
    assert "1,103,114" in text and "0.9 M" in text and "0.95 M" in text


def test_the_filter_bank_covers_the_band_in_four_phases() -> None:
    bank = filter_bank(2048, 400, seed=0)
    np.testing.assert_allclose(np.linalg.norm(bank, axis=1), 1.0, atol=1e-6)
    peaks = np.abs(np.fft.rfft(bank, 4096)).argmax(1) * 16_000 / 4096
    assert peaks[:4].max() < 100.0 and peaks[-4:].min() > 7_000.0
    assert np.all(np.diff(peaks[::4]) > -60.0), "centres rise"
    # Opposite phases cancel where the waves lie at the same place, as the longest do.
    np.testing.assert_allclose(bank[0] + bank[2], 0.0, atol=1e-6)


def test_chunks_of_a_seed_are_the_same_and_hold_what_they_say() -> None:
    rng = np.random.default_rng(0)
    pieces = [piece(rng.normal(0, 0.1, length).astype(np.float32), (k,)) for k, length in enumerate((80_000, 5_000))]
    speech = [rng.normal(0, 0.1, 20_000).astype(np.float32)]
    first, again = Mixer(pieces, 2, speech, seed=3), Mixer(pieces, 2, speech, seed=3)
    nothing = 0
    for _ in range(60):
        (chunk, truth), (same, _) = first.chunk(), again.chunk()
        assert chunk.shape == (CHUNK,) and chunk.dtype == np.float32
        assert np.array_equal(chunk, same)
        assert np.abs(chunk).max() <= 1.0 and np.isfinite(chunk).all()
        nothing += not truth.any()
    assert 0 < nothing < 30, "some chunks hold no class, most hold one"


def shipped() -> tuple[onnx.ModelProto, onnx.ModelProto]:
    return onnx.load(SHIPPED / "window.onnx"), onnx.load(SHIPPED / "classifier.onnx")


def test_the_shipped_graphs_are_what_the_exporter_writes_of_their_weights() -> None:
    window, classifier = shipped()
    weights, shape = graphs.weights_of(window, classifier), CONFIGURATIONS["large"]
    for written, standing in ((graphs.window(weights, shape), window), (graphs.classifier(weights, shape), classifier)):
        assert written.SerializeToString(deterministic=True) == standing.SerializeToString(deterministic=True)
    models = {"window": window, "classifier": classifier, "whole": graphs.whole(weights, shape)}
    for each in export.compared(weights, shape, models, [second(seed) for seed in range(4)]):
        assert each.passed, each


def test_the_vector_holds_the_shipped_models_scores() -> None:
    weights, shape = graphs.weights_of(*shipped()), CONFIGURATIONS["large"]
    vector = json.loads((ROOT / "tests/data/audio_transformer.json").read_text())
    for case in vector["cases"]:
        samples = np.array(case["samples"], np.float32)
        first = samples[:16_000]
        np.testing.assert_allclose(case["scores"][0], reference.scores(weights, shape, first), atol=1e-7, rtol=0)
        assert len(case["scores"]) == 1 + (len(samples) - 16_000) // (400 * vector["hop_windows"])
