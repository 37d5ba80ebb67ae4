"""Moonshine's exported graphs: what they take and give, and that decoding does not depend on how tokens are fed."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from auricle_export import fetch, manifest, moonshine
from auricle_export.moonshine import graphs
from auricle_export.moonshine.decode import END, MASK, START, Decoder, Utterance, beside
from moonshine_models import BASE, TINY, decoder, exported, heads, read, reference, shipped, speech

EXPORTS = [(TINY, "fp32"), (TINY, "fp16"), (TINY, "int8"), (BASE, "int8")]
DECODED = [(TINY, "fp32"), (TINY, "int8"), (BASE, "int8")]
SIZES = {TINY: (6, 8, 36), BASE: (8, 8, 52)}
"""Layers, heads, width of a head."""
SECONDS = (0.3, 1.1, 2.5, 3.7, 5.0, 7.4, 9.9)
"""Beginnings of the recording, some of them within a word."""

Floats = npt.NDArray[np.float32]


def values(found: list[onnx.ValueInfoProto]) -> dict[str, tuple[int, list[int | str]]]:
    """Element type and shape by name; a dynamic axis is a name."""
    return {
        value.name: (
            value.type.tensor_type.elem_type,
            [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim],
        )
        for value in found
    }


def contract(name: str) -> dict[str, tuple[dict[str, object], dict[str, object]]]:
    """What each graph takes and gives."""
    layers, count, width = SIZES[name]
    hidden = count * width
    single, whole = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64

    def caches(what: str, side: str, axis: str, batch: int | str = "batch") -> dict[str, object]:
        names = [f"{what}.{layer}.{side}.{part}" for layer in range(layers) for part in ("key", "value")]
        return {each: (single, [batch, count, axis, width]) for each in names}

    cross = "past_key_values", "encoder", "frames"
    return {
        "stem": (
            {"input_values": (single, [1, "samples"])},
            {
                "convolved": (single, [1, "pieces", 2 * hidden]),
                "means": (single, [1, "slices"]),
                "squares": (single, [1, "slices"]),
            },
        ),
        "encoder": (
            {"convolved": (single, [1, "pieces", 2 * hidden]), "mean": (single, [1]), "variance": (single, [1])},
            {"last_hidden_state": (single, [1, "frames", hidden])},
        ),
        "cross_kv": ({"encoder_hidden_states": (single, [1, "frames", hidden])}, caches(*cross, 1)),
        "step": (
            {"input_ids": (whole, ["batch", "tokens"]), "encoder_mask": (single, ["batch", 1, 1, "frames"])}
            | caches("past_key_values", "decoder", "past")
            | caches(*cross),
            {"logits": (single, ["batch", "tokens", 32_768])}
            | caches("present", "decoder", "present")
            | {"cross_attention": (single, ["batch", 5, "tokens", "frames"])},
        ),
    }


@pytest.mark.parametrize(("name", "precision"), EXPORTS)
def test_graphs_take_and_give_what_the_runtime_expects(name: str, precision: str) -> None:
    for role, (inputs, outputs) in contract(name).items():
        graph = exported(name, precision)[role].graph
        assert values(list(graph.input)) == inputs, role
        assert values(list(graph.output)) == outputs, role


@pytest.mark.parametrize(("name", "precision"), EXPORTS)
def test_graphs_are_clean(name: str, precision: str) -> None:
    """Valid, named, without branches, without a value or a constant that nobody reads or that is there twice."""
    for role, model in exported(name, precision).items():
        onnx.checker.check_model(model, full_check=True)
        assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
        assert model.ir_version <= 10
        graph = model.graph
        operators = {node.op_type for node in graph.node}
        assert not operators & {"If", "Loop", "Scan", "Constant", "Identity", "DynamicQuantizeLinear"}, role
        names = [node.name for node in graph.node]
        assert all(names)
        assert len(set(names)) == len(names), role
        read_by_nodes = {name for node in graph.node for name in node.input}
        constants = [constant.name for constant in graph.initializer]
        assert set(constants) <= read_by_nodes, role
        assert not set(constants) & {value.name for value in graph.input}, role
        made = {name for node in graph.node for name in node.output}
        assert made <= read_by_nodes | {value.name for value in graph.output}, role
        large = [each.raw_data for each in graph.initializer if len(each.raw_data) > 10_000]
        assert len(set(large)) == len(large), f"{role} has a weight twice"


@pytest.mark.parametrize("name", [TINY, BASE])
def test_int8_is_the_manifests_byte_for_byte(name: str) -> None:
    """What is built here is what was built where the manifest was written."""
    expected = {file.role: file.sha256 for file in manifest.read(fetch.MODELS / name / "model.toml").files}
    for role, model in exported(name, "int8").items():
        assert hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest() == expected[role], role


def test_fp32_is_the_same_in_another_process() -> None:
    """Where sets and dictionaries hash otherwise."""
    here = [hashlib.sha256(each.SerializeToString(deterministic=True)) for each in exported(TINY, "fp32").values()]
    code = (
        "import hashlib, sys; from pathlib import Path; from auricle_export.moonshine import graphs, weights\n"
        "model = weights.read(Path(sys.argv[1]))\n"
        f"step = graphs.step(model, 'fp32', {heads(TINY)})\n"
        "made = graphs.stem(model, 'fp32'), graphs.encoder(model, 'fp32'), graphs.cross_kv(model, 'fp32'), step\n"
        "print(*(hashlib.sha256(each.SerializeToString(deterministic=True)).hexdigest() for each in made))"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", code, str(shipped(TINY))], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [each.hexdigest() for each in here]


@pytest.mark.parametrize("name", [TINY, BASE])
def test_frames_of_audio(name: str) -> None:
    """895 samples make the first frame; then there is one every 384."""
    for samples, frames in ((895, 1), (1278, 1), (1279, 2), (16_000, 40), (160_000, 415)):
        cross = dict(decoder(name, "int8").hear(np.zeros(samples, np.float32)).cross)
        assert cross.pop(MASK).shape == (1, 1, 1, frames)
        assert {value.shape for value in cross.values()} == {(1, 8, frames, SIZES[name][2])}


def one_by_one(model: Decoder, heard: Utterance, tokens: list[int]) -> tuple[Floats, Floats, list[Floats]]:
    """Logits, cross-attention, keys and values after as many calls as tokens."""
    past, logits, attention = model.empty(), [], []
    for token in tokens:
        row, past, seen = model.call(heard, [token], past)
        logits.append(row)
        attention.append(seen)
    return np.concatenate(logits), np.concatenate(attention, axis=1), past


@pytest.mark.parametrize(("name", "precision"), DECODED)
def test_cached_equals_uncached(name: str, precision: str) -> None:
    """Token by token, three at a time, all at once: the same tokens, and all else but for a float's last bits."""
    model = decoder(name, precision)
    for seconds in SECONDS:
        heard = model.hear(speech(name, seconds))
        read_out = model.greedy(heard).tokens
        tokens = [START, *read_out]
        single, attention, present = one_by_one(model, heard, tokens)
        assert single.argmax(-1)[: len(read_out)].tolist() == read_out
        assert len(read_out) == heard.limit or int(single[-1].argmax()) == END
        for size in (3, len(tokens)):
            past, logits, seen = model.empty(), [], []
            for first in range(0, len(tokens), size):
                row, past, looks = model.call(heard, tokens[first : first + size], past)
                logits.append(row)
                seen.append(looks)
            together = np.concatenate(logits)
            assert together.argmax(-1).tolist() == single.argmax(-1).tolist(), f"{seconds} s, {size} at a time"
            np.testing.assert_allclose(together, single, atol=2e-3)
            np.testing.assert_allclose(np.concatenate(seen, axis=1), attention, atol=1e-4)
            for value, expected in zip(past, present, strict=True):
                assert value.shape == expected.shape == (1, 8, len(tokens), SIZES[name][2])
                np.testing.assert_allclose(value, expected, atol=1e-3)


@pytest.mark.parametrize(("name", "precision"), DECODED)
def test_pieces_in_a_batch_do_not_know_of_each_other(name: str, precision: str) -> None:
    """Of different length, with different tokens, several and one at a time: as alone but for a float's last bits."""
    model = decoder(name, precision)
    pieces = [model.hear(speech(name, seconds)) for seconds in (3.7, 9.9, 1.1)]
    longest = max([START, *model.greedy(piece).tokens] for piece in pieces)[:12]
    lines = [[*longest[:1], *np.roll(longest[1:], turn).tolist()] for turn in range(len(pieces))]
    together, past = beside(pieces), model.empty(len(pieces))
    alone = [model.empty() for _ in pieces]
    for first, last in ((0, 5), *((each, each + 1) for each in range(5, len(longest)))):
        logits, past, attention = model.call_all(together, [line[first:last] for line in lines], past)
        for row, (piece, line) in enumerate(zip(pieces, lines, strict=True)):
            expected, alone[row], looks = model.call(piece, line[first:last], alone[row])
            np.testing.assert_allclose(logits[row], expected, atol=2e-3)
            own = looks.shape[-1]
            np.testing.assert_allclose(attention[row, :, :, :own], looks, atol=1e-4)
            assert not attention[row, :, :, own:].any(), "what fills a piece up is not looked at"
            for value, kept in zip(past, alone[row], strict=True):
                np.testing.assert_allclose(value[row], kept[0], atol=1e-3)


@pytest.mark.parametrize(("name", "precision"), DECODED)
def test_a_token_sees_nothing_after_it(name: str, precision: str) -> None:
    """Other tokens behind it change no bit of a row; other tokens before it do."""
    model = decoder(name, precision)
    heard = model.hear(speech(name, 5.0))
    tokens = [START, *model.greedy(heard).tokens]
    kept = len(tokens) // 2
    logits, present, attention = model.call(heard, tokens, model.empty())
    others = tokens[:kept] + [(token + 7919) % 32_000 for token in tokens[kept:]]
    changed, presence, looks = model.call(heard, others, model.empty())
    np.testing.assert_array_equal(changed[:kept], logits[:kept])
    np.testing.assert_array_equal(looks[:, :kept], attention[:, :kept])
    for value, expected in zip(presence, present, strict=True):
        np.testing.assert_array_equal(value[:, :, :kept], expected[:, :, :kept])
    assert np.abs(changed[kept:] - logits[kept:]).max() > 1
    backwards = [START, *tokens[kept - 1 : 0 : -1], *tokens[kept:]]
    assert np.abs(model.call(heard, backwards, model.empty())[0][kept:] - logits[kept:]).max() > 0.1


@pytest.mark.parametrize(("name", "precision"), DECODED)
def test_no_draft_changes_a_reading(name: str, precision: str) -> None:
    model = decoder(name, precision)
    rng = np.random.default_rng(0)
    for seconds in SECONDS[1::2]:
        heard = model.hear(speech(name, seconds))
        plain = model.greedy(heard)
        right = plain.tokens
        half = len(right) // 2
        drafts = {
            "right": right,
            "half": right[:half],
            "wrong from the middle": [*right[:half], *rng.integers(3, 32_000, 9).tolist()],
            "rubbish": rng.integers(3, 32_000, heard.limit).tolist(),
            "past its end": [*right, END, END, *right],
            "too long": right * 40 or [START] * 400,
            "shifted": right[1:],
            "the end": [END],
        }
        for kind, draft in drafts.items():
            drafted = model.greedy(heard, draft)
            assert drafted.tokens == right, f"{kind}, {seconds} s"
            np.testing.assert_allclose(drafted.probabilities, plain.probabilities, atol=1e-4, err_msg=kind)
            np.testing.assert_allclose(drafted.attention, plain.attention, atol=1e-4, err_msg=kind)
        assert model.greedy(heard, right).accepted == len(right)
        assert model.greedy(heard, drafts["half"]).accepted == half


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (TINY, ((3, 0), (4, 1), (4, 4), (4, 6), (4, 0))),
        (BASE, ((3, 2), (5, 6), (7, 7), (0, 7), (1, 0))),
        (TINY, ((5, 7), (0, 3), (5, 1), (0, 2), (2, 2))),
        (TINY, ((4, 6),)),
    ],
)
def test_alignment_heads_come_in_the_order_asked_for(name: str, asked: graphs.Heads) -> None:
    """Head by head what the softmax of its layer gives, whatever order layers have."""
    step = graphs.step(read(name), "int8", asked)
    weights_of = [f"layers.{layer}.cross_attn.weights" for layer, _ in asked]
    for each in dict.fromkeys(weights_of):
        step.graph.output.append(onnx.helper.make_tensor_value_info(each, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(step.SerializeToString(), providers=["CPUExecutionProvider"])
    model = decoder(name, "int8")
    heard = model.hear(speech(name, 3.0))
    parts = [f"{layer}.decoder.{part}" for layer in range(SIZES[name][0]) for part in ("key", "value")]
    past = {f"past_key_values.{part}": model.empty()[0] for part in parts}
    feeds = heard.cross | past | {"input_ids": np.array([[START, 400, 500]])}
    shown, *layers = session.run(["cross_attention", *weights_of], feeds)
    shown = shown[0]
    assert shown.shape[0] == len(asked)
    for place, (layer, (_, head)) in enumerate(zip(layers, asked, strict=True)):
        np.testing.assert_array_equal(shown[place], layer[0, head])
        np.testing.assert_allclose(shown[place].sum(-1), 1, atol=1e-5)
    flat = shown.reshape(len(asked), -1)
    assert len(np.unique(flat, axis=0)) == len(asked), "heads that look alike would hide a wrong order"


def test_the_heads_of_a_model_are_those_measured() -> None:
    """What the manifest says of word times is what the graph gives, in its order."""
    for name in (TINY, BASE):
        said = manifest.read(fetch.MODELS / name / "model.toml")
        measured = moonshine.MEASURED[SIZES[name][0]]
        assert said.name == name
        assert heads(name) == measured.before + measured.own
        assert all(0 <= layer < SIZES[name][0] and 0 <= head < 8 for layer, head in heads(name))


def test_the_recording_is_read() -> None:
    """The words, by each export; tiny hears a comma where base hears none."""
    for name, precision in DECODED:
        model = decoder(name, precision)
        text = model.text(model.greedy(model.hear(speech(name))).tokens)
        words = "".join(letter for letter in text.lower() if letter.isalpha() or letter == " ")
        assert words == "ever tried ever failed no matter try again fail again fail better", (name, precision)


@pytest.mark.parametrize(("name", "level"), [(TINY, level) for level in (-6, -40, -60, -80, None)] + [(BASE, -60)])
def test_states_are_those_of_the_source_at_every_level(name: str, level: float | None) -> None:
    """Down to silence, where the epsilon of the norm is most of what is divided by; dBFS of the peak."""
    samples = speech(name, 5.0)
    gain = 0 if level is None else 10 ** (level / 20) / np.abs(samples).max()
    samples = (samples * gain).astype(np.float32)
    expected, found = reference(name).states(samples), decoder(name, "int8").states(samples)[0]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.abs(found - expected).mean() < 2e-5
    assert np.abs(expected).max() > 3, "states that are all small would be alike whatever was computed"


@pytest.mark.parametrize("name", [TINY, BASE])
def test_pieces_of_audio_give_the_stem_that_the_whole_gives(name: str) -> None:
    """A piece begins where one of 192 samples does, and takes in what the 319 after it say."""
    model = exported(name, "int8")["stem"].SerializeToString()
    stem = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    samples = speech(name, 3.0) + np.float32(0.1)
    convolved, means, squares = stem.run(None, {"input_values": samples[None]})
    assert convolved.shape[1] == (means.shape[1] - 7) // 3 + 1
    for first, length in ((0, 511), (0, 20_000), (1, 511), (1, 574), (1, 575), (40, 703), (100, len(samples) - 19_200)):
        piece = samples[192 * first : 192 * first + length]
        rows, mean, square = stem.run(None, {"input_values": piece[None]})
        slices, count = (length - 127) // 64 + 1, (length - 511) // 192 + 1
        assert rows.shape == (1, count, convolved.shape[2])
        assert mean.shape == square.shape == (1, slices)
        np.testing.assert_allclose(rows, convolved[:, first : first + count], atol=2e-5)
        np.testing.assert_allclose(mean, means[:, 3 * first : 3 * first + slices], atol=1e-6)
        np.testing.assert_allclose(square, squares[:, 3 * first : 3 * first + slices], atol=1e-6)
