"""Whisper in PyTorch against the definition in numpy and the exported graphs, and the parts that only it has."""

import base64
import gzip
import zlib

import numpy as np
import pytest
from auricle_export.exported import ExportError
from auricle_export.whisper.reference import Reference
from test_whisper_graphs import TOKENS, mel, states
from whisper_models import HEADS, SMALL, decoder, small

torch = pytest.importorskip("torch", reason="torch is not installed: 'make torch'")
from auricle_export.whisper import model as whisper  # noqa: E402 - needs torch

FEATURES = mel(2 * SMALL.n_audio_ctx)


def tensor(values: np.ndarray) -> "torch.Tensor":
    """An array as a tensor with a batch of one."""
    return torch.tensor(values.tolist())[None]


@pytest.fixture(scope="module")
def module() -> "whisper.Whisper":
    """The small model."""
    torch.set_num_threads(1)
    return whisper.load(small())


def test_it_is_the_definition(module: "whisper.Whisper") -> None:
    reference = Reference(small())
    heard = reference.states(FEATURES)
    expected, _ = reference.logits(heard, TOKENS)
    with torch.no_grad():
        found = module.embed_audio(tensor(FEATURES))
        logits = module.logits(torch.tensor([TOKENS]), found)
        whole = module(tensor(FEATURES), torch.tensor([TOKENS]))
    np.testing.assert_allclose(np.array(found[0].tolist()), heard, atol=1e-4)
    np.testing.assert_allclose(np.array(logits[0].tolist()), expected, atol=1e-4)
    assert torch.equal(logits, whole)


def test_it_is_the_exported_graphs(module: "whisper.Whisper") -> None:
    with torch.no_grad():
        expected = module(tensor(FEATURES), torch.tensor([TOKENS]))[0].tolist()
    with decoder(small(), "fp32") as graphs:
        logits, _, _ = graphs.call(graphs.hear(states(graphs, FEATURES)), [TOKENS], graphs.empty())
    np.testing.assert_allclose(logits[0], expected, atol=1e-4)


def test_what_the_hooks_keep_is_what_a_whole_pass_computes(module: "whisper.Whisper") -> None:
    """One token after the other and several at once; without the hooks nothing is kept."""
    with torch.no_grad():
        heard = module.embed_audio(tensor(FEATURES))
        whole = module.logits(torch.tensor([TOKENS]), heard)
        for sizes in ([1] * 9, [4, 5], [2, 1, 1, 5]):
            cache, handles = module.install_kv_cache_hooks()
            rows, at = [], 0
            for size in sizes:
                line = torch.tensor([TOKENS[at : at + size]])
                rows.append(module.decoder(line, heard, kv_cache=cache))
                at += size
            assert torch.allclose(torch.cat(rows, dim=1), whole, atol=1e-4)
            assert len(cache) == 4 * SMALL.n_text_layer
            assert cache[module.decoder.blocks[0].attn.key].shape == (1, 9, 32)
            assert cache[module.decoder.blocks[0].cross_attn.value].shape == (1, SMALL.n_audio_ctx, 32)
            for handle in handles:
                handle.remove()
        assert torch.equal(module.logits(torch.tensor([TOKENS]), heard), whole)
    kept, handles = module.install_kv_cache_hooks({module: heard})
    assert kept == {module: heard}
    for handle in handles:
        handle.remove()


def test_half_precision_stays_half_and_norms_are_single(module: "whisper.Whisper") -> None:
    with torch.no_grad():
        whole = module(tensor(FEATURES), torch.tensor([TOKENS]))
        heard = module.encoder(tensor(FEATURES).half())
        assert heard.dtype == torch.float16
        logits = module.logits(torch.tensor([TOKENS]), heard)
        assert logits.dtype == torch.float32
        assert (logits - whole).abs().max() < 0.3
        # A sum of squares beyond what a half can hold.
        loud = torch.full((1, 32), 2000.0, dtype=torch.float16)
        loud[0, :16] = -2000.0
        normed = whisper.LayerNorm(32)(loud)
    assert normed.dtype == torch.float16
    assert torch.allclose(normed.abs(), torch.ones_like(normed))


def test_audio_of_another_length_is_refused(module: "whisper.Whisper") -> None:
    with pytest.raises(AssertionError, match=r"audio of shape \(39, 32\), expected \(40, 32\)"):
        module.embed_audio(tensor(FEATURES[:, :78]))


def test_positions_are_sines_and_cosines() -> None:
    found = whisper.sinusoids(1500, 384)
    assert found.shape == (1500, 384)
    assert torch.equal(found[0], torch.tensor([0.0] * 192 + [1.0] * 192))
    assert torch.allclose(found[:, 0], torch.arange(1500).sin())
    assert float(found[7, 191]) == pytest.approx(np.sin(7e-4), rel=1e-4)
    with pytest.raises(ValueError, match="channels are 3"):
        whisper.sinusoids(4, 3)


def chosen(module: "whisper.Whisper") -> list[tuple[int, ...]]:
    """Layer and head of the heads that are set."""
    return [tuple(pair) for pair in module.alignment_heads.to_dense().nonzero().tolist()]


def test_alignment_heads() -> None:
    """The last half of the layers, what the source says, or what a dump says."""
    plain = whisper.Whisper(SMALL)
    assert chosen(plain) == [(layer, head) for layer in (1, 2) for head in range(4)]
    assert chosen(whisper.load(small())) == sorted(HEADS)
    flags = np.zeros((3, 4), bool)
    flags[0, 2] = flags[2, 3] = True
    plain.set_alignment_heads(base64.b85encode(gzip.compress(flags.tobytes())))
    assert chosen(plain) == [(0, 2), (2, 3)]
    assert "alignment_heads" not in plain.state_dict()
    for dump in (
        b"no base 85 \xff",
        base64.b85encode(b"no gzip"),
        base64.b85encode(gzip.compress(bytes(11))),
        base64.b85encode(gzip.compress(bytes(100 << 20))),
        base64.b85encode(zlib.compress(bytes(12))),
    ):
        with pytest.raises(ExportError, match="alignment heads are not"):
            plain.set_alignment_heads(dump)
    assert chosen(plain) == [(0, 2), (2, 3)]


def test_it_knows_its_languages_and_place(module: "whisper.Whisper") -> None:
    assert not module.is_multilingual
    assert module.num_languages == SMALL.num_languages
    assert module.device.type == "cpu"
