# SPDX-License-Identifier: Apache-2.0
"""What a model family is: all that the rest of the house knows of a network.

A family is one folder: its networks, and one `Family` object that describes them. Algorithms take
what they need from that object and never look at names of layers themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.flow import Flow
from quantvla_ros.models.graphs import Graphs
from quantvla_ros.models.guidance import Guidance, draw_to_prefix
from quantvla_ros.models.sites import Sites
from quantvla_ros.processing.processing import Processing

Stage = Literal["encode", "step"]

ROLES = ("llm_attn", "llm_mlp", "dit_attn", "dit_mlp", "condition", "vision", "projection")


class Network(nn.Module):
    """A flow policy's network in two halves: one an observation, one a step of the flow.

    Context and time constants are any nested tuples, lists and dicts of tensors.
    """

    def encode(self, inputs: Mapping[str, Tensor]) -> Any:
        """Run once an observation.

        Args:
            inputs: the outputs of the family's processing, each [B, ...].

        Returns:
            The context: what every step attends to.
        """
        raise NotImplementedError

    def time_constants(self, t: Tensor) -> Any:
        """All that the flow time [B] alone changes; a runner computes it once for all chunks."""
        raise NotImplementedError

    def step(self, x_t: Tensor, time_constants: Any, context: Any) -> Tensor:
        """Velocity [B, horizon, actions] of the flow.

        Args:
            x_t: normalized chunk under way [B, horizon, actions].
            time_constants: of its flow time.
            context: what `encode` returned.
        """
        raise NotImplementedError

    def velocity(self, x_t: Tensor, time: float, context: Any) -> Tensor:
        """`step` at a flow time."""
        t = torch.full((x_t.shape[0],), time, device=x_t.device)
        return self.step(x_t, self.time_constants(t), context)


@dataclass(frozen=True)
class Family:
    """One model family.

    Attributes:
        name: what a manifest calls it.
        config: type of a manifest's `architecture`.
        build: a network of these sizes, with weights that mean nothing; also on torch's meta
            device.
        flow: the flow of a manifest's policy.
        roles: the role (one of `ROLES`) of every linear of a float network, by module name, in
            the network's order.
        stage: the half that must run to reach a linear.
        siblings: linears that are always given the same tensor, by module name.
        sites: where transforms of an input can be folded.
        attentions: of the action head, for ATM and OHB; by the name that manifests call them.
        processing: the way in and out of a manifest's policy, with its tokenizer.
        unused: linears that no action depends on: inference never calls them.
        graphs: a network as two graphs for engines; None: the family has no such description.
        guidance: what continues the chunk in execution, of its normalized rows [B, K, actions], the
            number of them that are carried out in any case, and the manifest.
        importer: the float bundle, not written yet, of a checkpoint, or None if that is
            of another family; None itself where no checkpoint is imported.
    """

    name: str
    config: type[BaseModel]
    build: Callable[[Any], Network]
    flow: Callable[[BundleManifest], Flow]
    roles: Callable[[nn.Module], dict[str, str]]
    stage: Callable[[str], Stage]
    siblings: Callable[[nn.Module], list[tuple[str, ...]]]
    sites: Callable[[nn.Module], Sites]
    attentions: Callable[[nn.Module], dict[str, Attention]]
    processing: Callable[[BundleManifest, Tokenizer], Processing]
    unused: Callable[[nn.Module], frozenset[str]]
    graphs: Callable[[nn.Module], Graphs] | None = None
    guidance: Callable[[Tensor, int, BundleManifest], Guidance] = draw_to_prefix
    importer: Callable[[Checkpoint, ImportOptions], Imported | None] | None = None


SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Last names of the linears that read one tensor, in attention and gated MLP."""


def attentions_below(part: nn.Module) -> dict[str, Attention]:
    """The attentions of a part of a network; their names begin below it."""
    return {name: m for name, m in part.named_modules() if isinstance(m, Attention)}


def unused_behind_keys(layer: str) -> frozenset[str]:
    """Linears of a decoder layer, the last one, of which only keys and values are read."""
    leaves = "self_attn.q_proj self_attn.o_proj mlp.gate_proj mlp.up_proj mlp.down_proj"
    return frozenset(f"{layer}.{leaf}" for leaf in leaves.split())


def siblings_by_leaf(
    names: Iterable[str], groups: Sequence[Sequence[str]]
) -> list[tuple[str, ...]]:
    """Linears of one parent whose last names stand in one group, in the group's order.

    Args:
        names: of all linears.
        groups: last names, such as ``("q_proj", "k_proj", "v_proj")``.
    """
    known = set(names)
    parents = dict.fromkeys(name.rpartition(".")[0] for name in names)
    found = []
    for parent in parents:
        for group in groups:
            present = tuple(n for leaf in group if (n := f"{parent}.{leaf}") in known)
            if len(present) > 1:
                found.append(present)
    return found
