# SPDX-License-Identifier: Apache-2.0
"""Each stage of a policy that runs by engines, held against the reference on the same inputs.

An engine hides its layers, so what is compared is what a stage hands on: the context's tensors, and
the velocity at every step of the reference's own way from noise to chunk. Chunks cannot be held
tightly against the reference: one rounding that falls to the other side is amplified by whatever
follows. So the measure of what is right is the rounding itself: an engine may lie hardly further
from the reference than the reference from the float policy. A wrong range or a missing layer is
far beyond that (`studies.stage_bounds` measures what passes and what does not).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from quantvla_ros.backends.base import RunningPolicy
from quantvla_ros.backends.policy import Policy, load_policy
from quantvla_ros.backends.registry import YARDSTICK
from quantvla_ros.bundle.schema import StageErrors
from quantvla_ros.models.families import find_family
from quantvla_ros.models.graphs import VELOCITY, Graphs
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.robot.observation import Observation

RATIO = 1.3  # to what rounding to integers itself changes; a rest in bfloat16 measures 1.1
FLOOR = 0.02  # relative; where little is rounded, what 16 bits of the float rest cost: 0.013

Errors = dict[str, list[tuple[float, float]]]


def stage_errors(
    engines: RunningPolicy, quantized: Path, plain: Path, observations: Sequence[Observation]
) -> list[StageErrors]:
    """Compare both stages.

    Args:
        engines: the quantized policy as engines compute it; its contexts are the tensors that the
            context graph puts out, by name.
        quantized: its bundle.
        plain: its float bundle.
        observations: of the gate.

    Raises:
        QuantVLAError: a bundle is damaged.
    """
    runner = cast(Policy, engines).runner
    reference, floats = (cast(Policy, load_policy(path, YARDSTICK)) for path in (quantized, plain))
    manifest = reference.manifest
    family = find_family(manifest.family)
    assert family.graphs is not None  # or there were no engines
    graphs, float_graphs = family.graphs(reference.network), family.graphs(floats.network)
    errors: dict[str, Errors] = {"context": defaultdict(list), "step": defaultdict(list)}
    with torch.inference_mode():
        for counter, observation in enumerate(observations):
            inputs = reference.inputs(observation)
            wanted, own = _context(graphs, inputs), _context(float_graphs, inputs)
            context = runner.encode(inputs)
            for name, tensor in wanted.items():
                pair = _distance(context[name], tensor), _distance(own[name], tensor)
                errors["context"][name].append(pair)
            exact = reference.network.encode(inputs)
            unrounded = floats.network.encode(inputs)
            noise = torch.from_numpy(draw_noise(manifest, 0, counter))[None]
            flow = family.flow(manifest)
            for step in flow.integrate(partial(reference.network.velocity, context=exact), noise):
                got = runner.velocity(step.x_t, step.time, context)
                own_velocity = floats.network.velocity(step.x_t, step.time, unrounded)
                pair = _distance(got, step.velocity), _distance(own_velocity, step.velocity)
                errors["step"][VELOCITY].append(pair)
    return [_judged(name, found) for name, found in errors.items()]


def _context(graphs: Graphs, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the context graph puts out, computed by the network itself."""
    made, graph = graphs.host(inputs).context, graphs.context
    outputs = graph.module(*(made[name] for name in graph.inputs))
    return graph.named(outputs)


def _distance(got: Tensor, wanted: Tensor) -> float:
    """Root mean square of the difference, relative to that of `wanted`."""
    return float((got.float() - wanted).norm() / wanted.norm().clamp(min=1e-12))


def _judged(stage: str, errors: Errors) -> StageErrors:
    """The output that comes closest to its limit, or passes it by most."""
    judged = []
    for name, pairs in errors.items():
        error, own = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
        limit = max(RATIO * own, FLOOR)
        judged.append(
            StageErrors(name=stage, worst=name, error=error, quantization=own, limit=limit)
        )
    return max(judged, key=lambda one: one.error / one.limit)
