# SPDX-License-Identifier: Apache-2.0
"""Attention temperature matching (ATM) and output head balancing (OHB).

Both compare the float teacher with the quantized student on the same observations, the same noise
and the same points of the flow, pooled over the buffer and over every denoise step
(QuantVLA, arXiv 2602.20309). Alpha is fitted and folded first; beta is then fitted on the
corrected student.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from quantvla_ros.models.blocks import Attention, ScaledDotProduct
from quantvla_ros.quantization.transforms.temperature import foldable_spread

NEUTRAL = 0.03  # |log| below this is noise and becomes 1
CLIP = 0.30  # |log| is limited to this
EPSILON = 1e-6


class Moments:
    """Running sum, sum of squares and count per channel, in float64."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0
        self.count: float = 0.0

    def add(self, values: Tensor, count: float) -> None:
        """Add `values` [C, N]; entries that do not count must be zero."""
        wide = values.double()
        self.total = self.total + wide.sum(dim=1)
        self.squares = self.squares + wide.square().sum(dim=1)
        self.count += count

    def std(self) -> Tensor:
        """Standard deviation [C]."""
        mean = torch.as_tensor(self.total) / self.count
        variance = torch.as_tensor(self.squares) / self.count - mean.square()
        return variance.clamp(min=0).sqrt()

    def rms(self) -> Tensor:
        """Root mean square [C]."""
        return (torch.as_tensor(self.squares) / self.count).sqrt()


@contextmanager
def _hooks(pairs: list[tuple[nn.Module, Callable[..., Any]]]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module, hook in pairs]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _logit_hook(moments: Moments) -> Callable[..., None]:
    def hook(_: ScaledDotProduct, inputs: tuple[Tensor, ...], __: Tensor) -> None:
        query, key, _value, mask = inputs
        heads, groups = query.shape[1], key.shape[1]
        key = key.repeat_interleave(heads // groups, dim=1)
        logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        seen = torch.ones_like(logits, dtype=torch.bool)
        if mask is not None:
            seen = seen & (mask > -1.0)
        logits = torch.where(seen, logits, torch.zeros_like(logits))
        moments.add(logits.transpose(0, 1).flatten(1), float(seen[:, 0].sum()))

    return hook


def _output_hook(moments: Moments) -> Callable[..., None]:
    def hook(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        moments.add(output.reshape(1, -1), float(output.numel()))

    return hook


def observe_attention(
    attentions: Mapping[str, Attention], run: Callable[[], None]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What `observe_logits` and `observe_outputs` give, from one run."""
    outputs: dict[str, Tensor] = {}

    def watched() -> None:
        outputs.update(observe_outputs(attentions, run))

    return observe_logits(attentions, watched), outputs


def observe_logits(
    attentions: Mapping[str, Attention], run: Callable[[], None]
) -> dict[str, Tensor]:
    """Standard deviation of the pre-softmax logits, [H] per attention, over all that `run` does.

    Heads whose temperatures must be equal to fold have one value (see `foldable_spread`).
    """
    moments = {name: Moments() for name in attentions}
    hooks = [(m.core, _logit_hook(moments[name])) for name, m in attentions.items()]
    with torch.no_grad(), _hooks(list(hooks)):
        run()
    return {name: foldable_spread(m, moments[name].std()) for name, m in attentions.items()}


def observe_outputs(
    attentions: Mapping[str, Attention], run: Callable[[], None]
) -> dict[str, Tensor]:
    """Root mean square of the attention output before the residual, [1] per attention."""
    moments = {name: Moments() for name in attentions}
    hooks = [(m.o_proj, _output_hook(moments[name])) for name, m in attentions.items()]
    with torch.no_grad(), _hooks(list(hooks)):
        run()
    return {name: m.rms() for name, m in moments.items()}


def match(teacher: dict[str, Tensor], student: dict[str, Tensor]) -> dict[str, Tensor]:
    """Coefficients teacher / student with neutral band and clip, float32 per attention."""
    out = {}
    for name, target in teacher.items():
        log = torch.log(target / (student[name] + EPSILON))
        log = torch.where(log.abs() < NEUTRAL, torch.zeros_like(log), log.clamp(-CLIP, CLIP))
        out[name] = log.exp().float()
    return out
