"""The Audio Transformer's shapes: which configurations there are, and how many numbers each has to learn.

Verma and Berger, "Audio Transformers: Transformer Architectures for Large Scale Audio Understanding", arXiv
2105.00335. One second of 16 kHz audio is 40 windows of 400 samples; each goes through a dense layer of 2048 with ReLU
and one of 64; positions are added, transformer layers follow, their mean over time is what a linear head sees.

    python -m auricle_export audio-transformer parameters
"""

from dataclasses import dataclass

SAMPLE_RATE_HZ = 16_000
WINDOW = 400
"""Samples of a window: 25 ms."""
WINDOWS = 40
"""Windows of a decision: 1 s."""
SCALES = (1, 2, 4, 8)
"""Windows that the multi-scale half of an embedding is averaged over, a quarter of that half each."""
PAPER_MILLIONS = {"small": 0.9, "large": 2.3}
"""What the paper's table says of its own, in millions."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The numbers that decide the network's shape."""

    layers: int
    """Transformer layers."""
    pooling: bool = False
    """Average neighbouring windows after every two layers, kernel 2 and stride 2: 40, 20, 10, 5."""
    scales: bool = False
    """Average half of the embedding over 1, 2, 4 and 8 windows after every two layers; the length is kept."""
    causal: bool = False
    """Let no window attend to a later one."""
    hidden: int = 2048
    """Filters: width of the front end's first layer."""
    embedding: int = 64
    """Width of the front end's second layer and of all that follows."""
    heads: int = 4
    """Heads of the attention."""
    feed_forward: int = 256
    """Width between the two layers of each feed-forward."""
    dropout: float = 0.1
    """Share of values that training leaves out after attention and feed-forward."""


CONFIGURATIONS = {
    "small": Configuration(layers=3),
    "large": Configuration(layers=6),
    "pooling": Configuration(layers=6, pooling=True),
    "multi-scale": Configuration(layers=6, scales=True),
}
"""The paper's four, by the names that the command takes."""


def parameters(configuration: Configuration, classes: int) -> dict[str, int]:
    """Numbers to learn, by part: the front end, each transformer layer, what is left with a head of `classes`."""
    hidden, width, inner = configuration.hidden, configuration.embedding, configuration.feed_forward
    front_end = (WINDOW + 1) * hidden + (hidden + 1) * width
    attention = 4 * (width + 1) * width
    feed_forward = (width + 1) * inner + (inner + 1) * width
    layer = attention + feed_forward + 2 * 2 * width
    head = 2 * width + (width + 1) * classes
    total = front_end + configuration.layers * layer + head
    return {"front end": front_end, "a layer": layer, "head": head, "all": total}


def table(classes: int) -> str:
    """Our counts beside the paper's, as text, and why the two cannot agree."""
    lines = [f"{'':12} {'front end':>10} {'a layer':>8} {'layers':>6} {'all':>10} {'the paper':>10}"]
    for name, configuration in CONFIGURATIONS.items():
        count = parameters(configuration, classes)
        said = PAPER_MILLIONS.get(name)
        lines.append(
            f"{name:12} {count['front end']:10,} {count['a layer']:8,} {configuration.layers:6} {count['all']:10,} "
            f"{f'{said} M' if said else '-':>10}"
        )
    front_end = parameters(CONFIGURATIONS["small"], classes)["front end"]
    return "\n".join(
        [
            *lines,
            "",
            f"The front end alone, 400 to {CONFIGURATIONS['small'].hidden} to {CONFIGURATIONS['small'].embedding} "
            f"as the paper's text has it, is {front_end / 1e6:.2f} M: more than the 0.9 M",
            "of its small model. Counted without the front end, three layers would have 0.3 M each and six 0.38 M: the "
            "same layer in both cannot give",
            "both figures. The paper does not say the width of the feed-forward; here it is "
            f"{CONFIGURATIONS['small'].feed_forward}.",
        ]
    )
