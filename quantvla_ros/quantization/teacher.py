# SPDX-License-Identifier: Apache-2.0
"""Teacher and student on the same inputs: what ATM, OHB and the gate compare.

The teacher's path through the flow is recorded once; the student is then run on the very points
that the teacher visited, so a difference is the layer's and not the drift of an earlier step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from quantvla_ros.models.flow import integrate
from quantvla_ros.models.mini_pi05.network import Pi05, Prefix
from quantvla_ros.quantization.corrections import observe_attention

NetworkInputs = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Sample:
    """One calibration sample as tensors with a batch axis of one.

    Attributes:
        inputs: images, state, tokens, token mask (see `Pi05.encode`).
        noise: [1, horizon, actions].
    """

    inputs: NetworkInputs
    noise: Tensor


def encode_each(network: Pi05, samples: Iterable[Sample]) -> Iterator[Prefix]:
    """Prefix of every sample, one at a time: a large network's takes some 10 MB."""
    for sample in samples:
        with torch.no_grad():
            prefix = network.encode(*sample.inputs)
        yield prefix


def encode_all(network: Pi05, samples: Iterable[Sample]) -> list[Prefix]:
    """The same at once, to be used again: it stays valid while only the action head changes."""
    return list(encode_each(network, samples))


class FlowPath:
    """Points (x_t, t) that the teacher visits for each sample."""

    def __init__(
        self, teacher: Pi05, samples: Sequence[Sample], prefixes: Iterable[Prefix], steps: int
    ) -> None:
        self.points: list[list[tuple[Tensor, Tensor]]] = []
        with torch.no_grad():
            for sample, prefix in zip(samples, prefixes, strict=True):
                x, visited = sample.noise, []
                for step in range(steps):
                    t = torch.full((1,), 1.0 - step / steps)
                    visited.append((x, t))
                    x = x - teacher.denoise(x, t, prefix) / steps
                self.points.append(visited)

    def replay(self, network: Pi05, prefixes: Iterable[Prefix]) -> None:
        """Run `network` with its own prefixes on every recorded point (observers watch)."""
        for prefix, visited in zip(prefixes, self.points, strict=True):
            for x, t in visited:
                network.denoise(x, t, prefix)


def chunks(
    network: Pi05, samples: Sequence[Sample], prefixes: Iterable[Prefix], steps: int
) -> Tensor:
    """Normalized chunks [N, horizon, actions] of all samples, each with its own noise."""
    pairs = zip(samples, prefixes, strict=True)
    with torch.no_grad():
        return torch.cat([integrate(network, s.noise, prefix, steps) for s, prefix in pairs])


@dataclass(frozen=True)
class TeacherRecord:
    """All that is needed of the float network, so that it need not stay in memory.

    Attributes:
        fit: samples that everything is fitted on.
        validate: other samples, which decide what is kept.
        steps: denoise steps.
        path: where the teacher's flow goes on `fit`.
        logits: standard deviation of the logits on `fit`, [H] per attention.
        outputs: root mean square of the attention outputs on `fit`, [1] per attention.
        target: chunks [N, horizon, actions] on `validate`.
    """

    fit: Sequence[Sample]
    validate: Sequence[Sample]
    steps: int
    path: FlowPath
    logits: dict[str, Tensor]
    outputs: dict[str, Tensor]
    target: Tensor


def record_teacher(
    teacher: Pi05, fit: Sequence[Sample], validate: Sequence[Sample], steps: int
) -> TeacherRecord:
    """Run the float network on both sets of samples (see `TeacherRecord`)."""
    paths = []

    def run() -> None:
        paths.append(FlowPath(teacher, fit, encode_each(teacher, fit), steps))

    logits, outputs = observe_attention(teacher.action_expert, run)
    target = chunks(teacher, validate, encode_each(teacher, validate), steps)
    return TeacherRecord(fit, validate, steps, paths[0], logits, outputs, target)
