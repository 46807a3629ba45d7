# SPDX-License-Identifier: Apache-2.0
"""The flow from noise to an action chunk, and the one place that integrates it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from quantvla_ros.models.guidance import Guidance

Velocity = Callable[[Tensor, float], Tensor]
"""Velocity [B, horizon, actions] of a flow at a chunk under way of that shape and a flow time."""


class FlowStep(NamedTuple):
    """One step of an integration.

    Attributes:
        x_t: where it begins [B, horizon, actions], float32.
        time: flow time there.
        velocity: there, guidance included.
        x_next: where it ends.
    """

    x_t: Tensor
    time: float
    velocity: Tensor
    x_next: Tensor


@dataclass(frozen=True)
class Flow:
    """Times of a flow.

    Attributes:
        steps: of the integration, all of one length.
        noise_time: flow time of pure noise.
        action_time: flow time of the chunk.
    """

    steps: int
    noise_time: float = 1.0
    action_time: float = 0.0

    def integrate(
        self, velocity: Velocity, noise: Tensor, guidance: Guidance | None = None
    ) -> Iterator[FlowStep]:
        """Euler integration from noise to chunk; the sum is kept in float32 outside the network.

        Args:
            velocity: derivative of the chunk by the flow time.
            noise: [B, horizon, actions].
            guidance: continues the chunk in execution.

        Yields:
            Every step, once it is done.
        """
        x, way = noise.float(), self.action_time - self.noise_time
        if guidance is not None:
            x = guidance.start(x)
        for step in range(self.steps):
            time = self.noise_time + way * step / self.steps
            change = velocity(x, time)
            if guidance is not None:
                change = guidance.velocity(x, change, self.action_time - time)
            x_next = x + way * change / self.steps
            yield FlowStep(x, time, change, x_next)
            x = x_next


class HasVelocity(Protocol):
    """A network or whatever runs one."""

    def velocity(self, x_t: Tensor, time: float, context: Any) -> Tensor:
        """Velocity [B, horizon, actions] at a chunk under way, a flow time and a context."""
        ...


def normalized_chunk(
    network: HasVelocity,
    noise: Tensor,
    context: Any,
    flow: Flow,
    guidance: Guidance | None = None,
) -> Tensor:
    """Where the flow ends: the normalized chunk [B, horizon, actions] (see `Flow.integrate`)."""
    x = noise.float()
    for step in flow.integrate(lambda x, t: network.velocity(x, t, context), noise, guidance):
        x = step.x_next
    return x
