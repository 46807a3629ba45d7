# SPDX-License-Identifier: Apache-2.0
"""Teacher and student on the same inputs: what ATM, OHB and the gate compare.

The teacher's path through the flow is recorded once; the student is then run on the very points
that the teacher visited, so a difference is the layer's and not the drift of an earlier step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.family import Network
from quantvla_ros.models.flow import Flow, normalized_chunk
from quantvla_ros.quantization.corrections import observe_attention


@dataclass(frozen=True)
class Sample:
    """One calibration sample as tensors with a batch axis of one.

    Attributes:
        inputs: by name, see `Network.encode`.
        noise: [1, horizon, actions].
    """

    inputs: Mapping[str, Tensor]
    noise: Tensor


def encode_each(network: Network, samples: Iterable[Sample]) -> Iterator[Any]:
    """Context of every sample, one at a time: a large network's takes some 10 MB."""
    for sample in samples:
        with torch.no_grad():
            context = network.encode(sample.inputs)
        yield context


def encode_all(network: Network, samples: Iterable[Sample]) -> list[Any]:
    """The same at once, to be used again: it stays valid while only the action head changes."""
    return list(encode_each(network, samples))


class FlowPath:
    """Points (chunk under way, flow time) that the teacher visits for each sample."""

    def __init__(
        self, teacher: Network, samples: Sequence[Sample], contexts: Iterable[Any], flow: Flow
    ) -> None:
        self.points: list[list[tuple[Tensor, float]]] = []
        with torch.no_grad():
            for sample, context in zip(samples, contexts, strict=True):
                velocity = partial(teacher.velocity, context=context)
                steps = flow.integrate(velocity, sample.noise)
                self.points.append([(step.x_t, step.time) for step in steps])

    def replay(self, network: Network, contexts: Iterable[Any]) -> None:
        """Run `network` with its own contexts on every recorded point (observers watch)."""
        for context, visited in zip(contexts, self.points, strict=True):
            for x, time in visited:
                network.velocity(x, time, context)


def chunks(
    network: Network, samples: Sequence[Sample], contexts: Iterable[Any], flow: Flow
) -> Tensor:
    """Normalized chunks [N, horizon, actions] of all samples, each with its own noise."""
    pairs = zip(samples, contexts, strict=True)
    with torch.no_grad():
        return torch.cat([normalized_chunk(network, s.noise, c, flow) for s, c in pairs])


@dataclass(frozen=True)
class TeacherRecord:
    """All that is needed of the float network, so that it need not stay in memory.

    Attributes:
        fit: samples that everything is fitted on.
        validate: other samples, which decide what is kept.
        flow: of the policy.
        path: where the teacher's flow goes on `fit`.
        logits: standard deviation of the logits on `fit`, [H] per attention.
        outputs: root mean square of the attention outputs on `fit`, [1] per attention.
        target: chunks [N, horizon, actions] on `validate`.
    """

    fit: Sequence[Sample]
    validate: Sequence[Sample]
    flow: Flow
    path: FlowPath
    logits: dict[str, Tensor]
    outputs: dict[str, Tensor]
    target: Tensor


def record_teacher(
    teacher: Network,
    attentions: Mapping[str, Attention],
    fit: Sequence[Sample],
    validate: Sequence[Sample],
    flow: Flow,
) -> TeacherRecord:
    """Run the float network on both sets of samples (see `TeacherRecord`).

    Args:
        teacher: float.
        attentions: of its action head, see `Family.attentions`.
        fit: see `TeacherRecord`.
        validate: see `TeacherRecord`.
        flow: of the policy.
    """
    paths = []

    def run() -> None:
        paths.append(FlowPath(teacher, fit, encode_each(teacher, fit), flow))

    logits, outputs = observe_attention(attentions, run)
    target = chunks(teacher, validate, encode_each(teacher, validate), flow)
    return TeacherRecord(fit, validate, flow, paths[0], logits, outputs, target)
