"""Whisper's graphs on small random weights: what they take and give, and that they are the definition."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from auricle_export.whisper import graphs
from auricle_export.whisper.decode import MASK, Decoder, Rules
from auricle_export.whisper.reference import Reference
from whisper_models import HEADS, SMALL, VOCABULARY, decoder, small

PRECISIONS = ("fp32", "fp16", "int8")
WITHIN = {"fp32": 1e-4, "fp16": 0.1, "int8": 1.5}
"""Of a logit, where the small model's reach 11."""
ALIKE = 2e-3
"""Of a logit, whichever way the same tokens are fed."""
TOKENS = (261, 5, 258, 77, 130, 255, 12, 200, 33)
FRAMES = SMALL.n_audio_ctx

Floats = npt.NDArray[np.float32]


def mel(frames: int, seed: int = 0) -> Floats:
    """Log-mel [80, frames] as the front end's numbers lie."""
    return np.random.default_rng(seed).uniform(-1, 1.5, (80, frames)).astype(np.float32)


def states(model: Decoder, features: Floats) -> Floats:
    """What the encoder's graph makes of log-mel."""
    return model._encoder.run(None, {"input_features": features[None]})[0]


def values(found: list[onnx.ValueInfoProto]) -> dict[str, list[int | str]]:
    """Shapes by name."""
    return {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in found
    }


def made(precision: str) -> dict[str, onnx.ModelProto]:
    """The three graphs."""
    return {
        "encoder": graphs.encoder(small(), precision),  # type: ignore[arg-type]
        "cross_kv": graphs.cross_kv(small(), precision),  # type: ignore[arg-type]
        "step": graphs.step(small(), precision, HEADS),  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("precision", PRECISIONS)
def test_graphs_take_and_give_what_the_runtime_expects(precision: str) -> None:
    """The same names and layouts as Moonshine's, whose decoding the runtime shares."""

    def caches(what: str, side: str, *axes: int | str) -> dict[str, list[int | str]]:
        names = [f"{what}.{layer}.{side}.{part}" for layer in range(3) for part in ("key", "value")]
        return {name: [axes[0], 4, axes[1], 8] for name in names}

    contract = {
        "encoder": ({"input_features": [1, 80, "mel_frames"]}, {"last_hidden_state": [1, "frames", 32]}),
        "cross_kv": (
            {"encoder_hidden_states": [1, "frames", 32]},
            caches("past_key_values", "encoder", 1, "frames"),
        ),
        "step": (
            {"input_ids": ["batch", "tokens"], MASK: ["heard", 1, 1, "frames"]}
            | caches("past_key_values", "decoder", "batch", "past")
            | caches("past_key_values", "encoder", "heard", "frames"),
            {"logits": ["batch", "tokens", VOCABULARY]}
            | caches("present", "decoder", "batch", "present")
            | {"cross_attention": ["batch", 3, "tokens", "frames"]},
        ),
    }
    for role, model in made(precision).items():
        assert (values(list(model.graph.input)), values(list(model.graph.output))) == contract[role], role


@pytest.mark.parametrize("precision", PRECISIONS)
def test_graphs_are_clean(precision: str) -> None:
    """Valid, without branches, without a constant that nobody reads or that is there twice."""
    for role, model in made(precision).items():
        onnx.checker.check_model(model, full_check=True)
        assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
        operators = {node.op_type for node in model.graph.node}
        assert not operators & {"If", "Loop", "Scan", "Constant", "Identity", "DynamicQuantizeLinear"}, role
        large = [each.raw_data for each in model.graph.initializer if len(each.raw_data) > 2_000]
        assert len(set(large)) == len(large), f"{role} has a weight twice"
        kinds = {each.data_type for each in model.graph.initializer if np.prod(each.dims) > 2_000}
        expected = {"fp32": {1}, "fp16": {10}, "int8": {1, 3}}[precision]
        assert kinds <= expected, f"{role} stores numbers of types {kinds}"


def test_the_same_weights_give_the_same_bytes_in_another_process() -> None:
    here = [hashlib.sha256(each.SerializeToString(deterministic=True)).hexdigest() for each in made("int8").values()]
    code = (
        "import hashlib, test_whisper_graphs as t\n"
        "print(*(hashlib.sha256(e.SerializeToString(deterministic=True)).hexdigest() for e in t.made('int8').values()))"
    )
    environment = os.environ | {
        "PYTHONHASHSEED": "12345",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == here


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_encoder_is_the_definition(precision: str) -> None:
    """At its whole length, shorter, and of an odd number of frames."""
    reference = Reference(small())
    with decoder(small(), precision) as model:
        for frames in (2 * FRAMES, FRAMES, 13, 1):
            expected = reference.states(mel(frames, frames))
            found = states(model, mel(frames, frames))[0]
            assert found.shape == expected.shape == ((frames + 1) // 2, 32)
            assert np.abs(found - expected).max() < {"fp32": 1e-4, "fp16": 2e-2, "int8": 0.5}[precision]
        assert np.abs(expected).max() > 0.5


def test_more_audio_than_there_are_positions_is_an_error() -> None:
    with decoder(small(), "fp32") as model, pytest.raises(Exception, match="Add"):
        states(model, mel(2 * FRAMES + 1))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("frames", [2 * FRAMES, 15])
def test_logits_and_attention_are_the_definition(precision: str, frames: int) -> None:
    """All tokens in one call against one pass over all of them, on the whole context and on a trimmed one."""
    reference, features = Reference(small()), mel(frames)
    expected, looks = reference.logits(reference.states(features), TOKENS)
    with decoder(small(), precision) as model:
        logits, _, shown = model.call(model.hear(states(model, features)), [TOKENS], model.empty())
    assert np.abs(logits[0] - expected).max() < WITHIN[precision]
    assert np.abs(expected).max() > 8, "logits that are all small would be alike whatever was computed"
    assert shown is not None
    assert shown.shape == (1, 3, len(TOKENS), (frames + 1) // 2)
    for place, (layer, head) in enumerate(HEADS):
        np.testing.assert_allclose(
            shown[0, place], looks[layer][head], atol={"fp32": 1e-4, "fp16": 0.05, "int8": 0.5}[precision]
        )
    if precision != "int8":
        assert (logits[0].argmax(-1) == expected.argmax(-1)).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_cached_equals_full(precision: str) -> None:
    """Token by token, three at a time, all at once."""
    with decoder(small(), precision) as model:
        heard = model.hear(states(model, mel(2 * FRAMES)))
        whole, present, looks = model.call(heard, [TOKENS], model.empty())
        for size in (1, 3, 4):
            past, logits, attention = model.empty(), [], []
            for first in range(0, len(TOKENS), size):
                row, past, shown = model.call(heard, [TOKENS[first : first + size]], past)
                logits.append(row)
                attention.append(shown)
            np.testing.assert_allclose(np.concatenate(logits, axis=1), whole, atol=ALIKE)
            np.testing.assert_allclose(np.concatenate(attention, axis=2), looks, atol=1e-4)
            for value, expected in zip(past, present, strict=True):
                assert value.shape == (1, 4, len(TOKENS), 8)
                np.testing.assert_allclose(value, expected, atol=1e-3)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_token_sees_nothing_after_it(precision: str) -> None:
    with decoder(small(), precision) as model:
        heard = model.hear(states(model, mel(20)))
        logits, _, _ = model.call(heard, [TOKENS], model.empty())
        changed, _, _ = model.call(heard, [[*TOKENS[:4], 99, 98, 97, 96, 95]], model.empty())
        np.testing.assert_allclose(changed[0, :4], logits[0, :4], atol=1e-5)
        assert np.abs(changed[0, 4:] - logits[0, 4:]).max() > 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_lines_of_a_batch_do_not_know_of_each_other(precision: str) -> None:
    """Several lines over one piece of audio, whose keys are there once; and pieces of different length, masked."""
    lines = [TOKENS[:5], TOKENS[4:9], TOKENS[2:7]]
    with decoder(small(), precision) as model:
        pieces = [model.hear(states(model, mel(frames, frames))) for frames in (40, 80, 22)]
        alone = [[model.call(piece, [line], model.empty())[0][0] for line in lines] for piece in pieces]
        shared, past, _ = model.call(pieces[1], [line[:3] for line in lines], model.empty(3))
        more, _, _ = model.call(pieces[1], [line[3:] for line in lines], past)
        np.testing.assert_allclose(np.concatenate([shared, more], axis=1), alone[1], atol=ALIKE)

        def together(name: str) -> Floats:
            axis, filling = (3, -np.inf) if name == MASK else (2, 7.0)
            widths = [
                [(0, FRAMES - piece[name].shape[axis] if each == axis else 0) for each in range(4)] for piece in pieces
            ]
            padded = [
                np.pad(piece[name], width, constant_values=filling) for piece, width in zip(pieces, widths, strict=True)
            ]
            return np.concatenate(padded)

        logits, _, shown = model.call({name: together(name) for name in pieces[0]}, lines, model.empty(3))
        assert shown is not None
        for row in range(3):
            np.testing.assert_allclose(logits[row], alone[row][row], atol=ALIKE)
        assert not shown[0, :, :, 20:].any(), "what fills a piece up is not looked at"


def test_heads_are_shown_in_the_order_asked_for_or_not_at_all() -> None:
    with decoder(small(), "fp32") as model:
        heard = model.hear(states(model, mel(30)))
        _, _, shown = model.call(heard, [TOKENS], model.empty())
    for heads in (((0, 2), (2, 0), (1, 3)), ((2, 1),)):
        with decoder(small(), "fp32", heads) as model:
            _, _, other = model.call(heard, [TOKENS], model.empty())
        assert shown is not None
        assert other is not None
        for place, head in enumerate(heads):
            if head in HEADS:
                np.testing.assert_array_equal(other[0, place], shown[0, HEADS.index(head)])
            np.testing.assert_allclose(other[0, place].sum(-1), 1, atol=1e-5)
    with decoder(small(), "fp32", ()) as model:
        assert model.call(heard, [TOKENS], model.empty())[2] is None


def test_positions_end_where_the_context_does() -> None:
    with decoder(small(), "fp32") as model:
        heard = model.hear(states(model, mel(30)))
        most = SMALL.n_text_ctx
        logits, past, _ = model.call(heard, [[5] * most], model.empty())
        assert logits.shape[1] == most
        with pytest.raises(Exception, match="Gather"):
            model.call(heard, [[5]], past)


def test_greedy_decoding_follows_its_rules() -> None:
    """The same tokens as the definition's argmax, one full pass for every token; what is suppressed never comes."""
    reference, features = Reference(small()), mel(2 * FRAMES)
    heard = reference.states(features)
    rules = Rules(prompt=(261, 267), end=260, suppress=(1, 2), suppress_first=(220,), most=12)
    with decoder(small(), "fp32") as model:
        audio = model.hear(states(model, features))
        for _ in range(3):
            reading = model.greedy(audio, rules)
            expected: list[int] = []
            while len(expected) < rules.most:
                row, _ = reference.logits(heard, [*rules.prompt, *expected])
                barred = [*rules.suppress, *(rules.suppress_first if not expected else ())]
                row[-1, barred] = -np.inf
                token = int(row[-1].argmax())
                if token == rules.end:
                    break
                expected.append(token)
            assert reading.tokens == expected
            assert all(0 < each <= 1 for each in reading.probabilities)
            assert [each.shape for each in reading.attention] == [(3, FRAMES)] * len(expected)
            # Once more with what was read ruled out: the first token at the start, the second everywhere.
            rules = Rules(rules.prompt, rules.end, (*rules.suppress, expected[1]), (expected[0],), rules.most)
