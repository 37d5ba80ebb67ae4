"""The Audio Transformer in PyTorch: in come windows of samples, out come logits of the classes.

`FrontEnd` is what live audio runs once a window, `Classifier` what it runs once a decision; `AudioTransformer` is one
after the other. Attention and feed-forward are pre-norm, which trains without a warm-up of thousands of steps.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from auricle_export.audio_transformer.configuration import SCALES, WINDOW, WINDOWS, Configuration
from auricle_export.audio_transformer.filter_bank import filter_bank
from auricle_export.audio_transformer.reference import EPSILON, LEVEL_FLOOR, positions


class FrontEnd(nn.Module):
    """Windows [..., 400] to embeddings [..., 64]: dense 2048 and ReLU, dense 64."""

    def __init__(self, configuration: Configuration) -> None:
        """Start from random weights."""
        super().__init__()
        self.filters = nn.Linear(WINDOW, configuration.hidden)
        self.mixture = nn.Linear(configuration.hidden, configuration.embedding)

    def start_from_filter_bank(self, seed: int) -> None:
        """Let the filters begin as short waves at mel-spaced frequencies, in four phases."""
        bank = filter_bank(self.filters.out_features, WINDOW, seed)
        with torch.no_grad():
            self.filters.weight.copy_(torch.from_numpy(bank))
            self.filters.bias.zero_()

    def forward(self, windows: Tensor) -> Tensor:
        """Embed each window."""
        return self.mixture(functional.relu(self.filters(windows)))


class Layer(nn.Module):
    """One transformer layer: [b, t, 64] to the same."""

    def __init__(self, configuration: Configuration) -> None:
        """Start from random weights."""
        super().__init__()
        width = configuration.embedding
        self.heads, self.causal, self.dropout = configuration.heads, configuration.causal, configuration.dropout
        self.attention_norm = nn.LayerNorm(width, EPSILON)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width, EPSILON)
        self.feed_forward_in = nn.Linear(width, configuration.feed_forward)
        self.feed_forward_out = nn.Linear(configuration.feed_forward, width)

    def forward(self, states: Tensor) -> Tensor:
        """Attend, then feed forward, each added to what it began with."""
        states = states + self._drop(self.attention_out(self._attend(self.attention_norm(states))))
        inner = functional.relu(self.feed_forward_in(self.feed_forward_norm(states)))
        return states + self._drop(self.feed_forward_out(inner))

    def _attend(self, states: Tensor) -> Tensor:
        batch, time, width = states.shape
        split = self.query_key_value(states).view(batch, time, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        logits = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads)
        if self.causal:
            later = torch.ones(time, time, dtype=torch.bool, device=states.device).triu(1)
            logits = logits.masked_fill(later, float("-inf"))
        return (logits.softmax(-1) @ value).transpose(1, 2).reshape(batch, time, width)

    def _drop(self, states: Tensor) -> Tensor:
        return functional.dropout(states, self.dropout, self.training)


def pool(states: Tensor) -> Tensor:
    """Average neighbours, kernel 2 and stride 2: [b, t, 64] to [b, t // 2, 64].

    The paper's words say stride 1, which would not give its lengths of 40, 20 and 10.
    """
    return functional.avg_pool1d(states.transpose(1, 2), 2).transpose(1, 2)


def average_over_scales(states: Tensor) -> Tensor:
    """Average the first half of the embedding over the last 1, 2, 4 and 8 windows, a quarter of it each: [b, t, 64].

    The average looks back and not around, so that it may stand in a causal network; before the first window there is
    nothing, and what is there is averaged.
    """
    time, quarter = states.shape[1], states.shape[2] // 2 // len(SCALES)
    sums = functional.pad(states.cumsum(1), (0, 0, 1, 0))
    end = torch.arange(1, time + 1, device=states.device)
    parts = []
    for k, windows in enumerate(SCALES):
        begin = (end - windows).clamp(min=0)
        part = slice(k * quarter, (k + 1) * quarter)
        parts.append((sums[:, end, part] - sums[:, begin, part]) / (end - begin)[:, None])
    return torch.cat([*parts, states[..., len(SCALES) * quarter :]], -1)


class Classifier(nn.Module):
    """Embeddings of a second, [b, 40, 64], to what the head sees, [b, 64], and to logits, [b, classes]."""

    positions: Tensor

    def __init__(self, configuration: Configuration, classes: int) -> None:
        """Start from random weights."""
        super().__init__()
        self.pooling, self.scales = configuration.pooling, configuration.scales
        self.register_buffer("positions", torch.from_numpy(positions(configuration.embedding)), persistent=False)
        self.layers = nn.ModuleList(Layer(configuration) for _ in range(configuration.layers))
        self.norm = nn.LayerNorm(configuration.embedding, EPSILON)
        self.head = nn.Linear(configuration.embedding, classes)

    def summary(self, embeddings: Tensor) -> Tensor:
        """Sum up a second in 64 numbers, whatever its level."""
        level = embeddings.square().mean((1, 2), keepdim=True).sqrt()
        states = embeddings / (level + LEVEL_FLOOR) + self.positions
        for number, layer in enumerate(self.layers, 1):
            states = layer(states)
            if number % 2 == 0 and self.pooling:
                states = pool(states)
            if number % 2 == 0 and self.scales:
                states = average_over_scales(states)
        return self.norm(states.mean(1))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits; the classes are independent of one another."""
        return self.head(self.summary(embeddings))


class AudioTransformer(nn.Module):
    """A second of samples, [b, 16000], to logits [b, classes]."""

    def __init__(self, configuration: Configuration, classes: int) -> None:
        """Start from random weights."""
        super().__init__()
        self.configuration = configuration
        self.front_end = FrontEnd(configuration)
        self.classifier = Classifier(configuration, classes)

    def embeddings(self, samples: Tensor) -> Tensor:
        """Embed the 40 windows of each second: [b, 16000] to [b, 40, 64]."""
        return self.front_end(samples.view(-1, WINDOWS, WINDOW))

    def forward(self, samples: Tensor) -> Tensor:
        """Logits of each second."""
        return self.classifier(self.embeddings(samples))
