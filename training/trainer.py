# SPDX-License-Identifier: Apache-2.0
"""Network, auxiliary heads, optimizers and moving average of a training run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from training.architectures.architecture import Architecture
from training.augmentation import Looks, draw_looks, grains, look
from training.dataset import Frames, sampling_probability
from training.grounding import GroundingHeads, flow_pair, flow_times
from training.language import Sentences
from training.muon import Muon
from training.starting_point import StartingPoint
from training.widening import widen

NOISE_SAMPLES = 2
RATE = 1e-3
MUON_RATE = 2e-3
WARM_UP = 100
AUXILIARY_WEIGHT = 0.2
MAX_GRADIENT_NORM = 1.0
_FROM_FRAMES = ("state", "chunk", "valid", "uv", "relative")
_STATEFUL = ("network", "heads", "muon", "adam")


def sum_over_ranks(tensors: list[Tensor], scale: float) -> None:
    """Replace tensors by their sum over all processes, times `scale`."""
    if not dist.is_initialized():
        return
    flat = torch.cat([t.flatten() for t in tensors])
    dist.all_reduce(flat)
    flat.mul_(scale)
    start = 0
    for tensor in tensors:
        tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()


class Trainer:
    """One process of a run; all processes hold the same weights and optimizer states."""

    def __init__(
        self,
        architecture: Architecture,
        frames: Frames,
        batch: int,
        seed: int,
        rank: int = 0,
        ranks: int = 1,
        narrow: bool = False,
        peak: float = 1.0,
    ) -> None:
        """Make everything where the frames are, on a CPU or a GPU; `peak` scales the rates."""
        torch.manual_seed(seed)
        self.batch_size, self.device = batch, frames.state.device
        self.rank, self.ranks, self.seed = rank, ranks, seed
        self.architecture = architecture
        self.config = architecture.config(narrow)
        self.network = architecture.build(self.config)
        # Convolutions are a few per cent faster with the channels innermost.
        self.network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.heads = GroundingHeads(self.config.width).to(self.device)
        matrices: list[nn.Parameter] = []
        rest = list(self.heads.parameters())
        for name, parameter in self.network.named_parameters():
            if not architecture.reaches_actions(name, self.config.layers):
                parameter.requires_grad_(False)
                continue
            inside = (
                name.startswith(architecture.blocks)
                and parameter.ndim == 2
                and ".dense." not in name
            )
            (matrices if inside else rest).append(parameter)
        self.parameters = [*matrices, *rest]
        self.muon = Muon(list(matrices), MUON_RATE, decay=0.05)
        self.adam = torch.optim.AdamW(
            rest, lr=RATE, weight_decay=0.01, betas=(0.9, 0.97), fused=True
        )
        self.average = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.step, self.peak = 0, peak
        self.generator = torch.Generator().manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.grains = grains(self.config.image_size, seed).to(self.device)
        self.sentences = Sentences(np.random.default_rng(seed))
        self.learn_from(frames)

    def learn_from(self, frames: Frames) -> None:
        """Draw from these frames from now on."""
        self.frames = frames
        self._cumulative = np.cumsum(sampling_probability(frames))

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs."""
        return {
            "family": self.architecture.family,
            "config": self.config.model_dump(),
            **{name: getattr(self, name).state_dict() for name in _STATEFUL},
            "average": self.average,
            "step": self.step,
            "generator": self.generator.get_state(),
            "rng": self.rng.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        for name in _STATEFUL:
            getattr(self, name).load_state_dict(state[name])
        self.average, self.step = state["average"], state["step"]
        self.generator.set_state(state["generator"].cpu())
        self.rng.bit_generator.state = state["rng"]

    def start_from(self, point: StartingPoint) -> None:
        """Begin a new run from weights that may be a narrow network's."""
        weights, heads = point.weights, point.heads or self.heads.state_dict()
        if point.config != self.config:
            weights = widen(weights, self.network.state_dict(), self.seed)
            heads = widen(heads, self.heads.state_dict(), self.seed)
        self.network.load_state_dict(weights)
        self.heads.load_state_dict(heads)
        self.average = {k: v.clone() for k, v in self.network.state_dict().items()}

    def batch(self) -> dict[str, Tensor]:
        """This process's part of a weighted random batch; all processes draw the whole one."""
        frames, size = self.frames, self.batch_size
        drawn = np.searchsorted(self._cumulative, self.rng.random(size) * self._cumulative[-1])
        tokens, mask = self.sentences.draw(frames.goal[drawn], self.rng)
        count = size * NOISE_SAMPLES
        noise = torch.randn((count, *frames.chunk.shape[1:]), generator=self.generator)
        t = flow_times(count, self.generator)
        looks = draw_looks(size, self.config.cameras, self.generator)
        share = slice(self.rank * size // self.ranks, (self.rank + 1) * size // self.ranks)
        wide = slice(share.start * NOISE_SAMPLES, share.stop * NOISE_SAMPLES)
        index = torch.from_numpy(drawn[share]).to(self.device)
        longest = int(mask[share].sum(1).max())  # padding of the whole share is not computed
        on_host = {
            "tokens": tokens[share, :longest],
            "token_mask": mask[share, :longest],
            "noise": noise[wide],
            "t": t[wide],
        }
        return {
            "images": look(
                frames.pictures.take(drawn[share]),
                Looks(*(drawn_look[share].to(self.device) for drawn_look in looks)),
                self.grains,
            ),
            **{name: getattr(frames, name)[index] for name in _FROM_FRAMES},
            **{key: value.to(self.device) for key, value in on_host.items()},
        }

    def loss(self, b: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Flow-matching loss plus the weighted auxiliary losses."""
        context, features, state_row = self.architecture.read(self.network, b)
        chunk = b["chunk"].repeat_interleave(NOISE_SAMPLES, 0)
        valid = b["valid"].repeat_interleave(NOISE_SAMPLES, 0)
        x_t, velocity = flow_pair(chunk, b["noise"], b["t"])
        constants = self.network.time_constants(b["t"])
        predicted = self.network.step(x_t, constants, context.repeat(NOISE_SAMPLES))
        flow = ((predicted - velocity).pow(2).mean(-1) * valid).sum() / valid.sum()
        auxiliary, parts = self.heads.loss(features, state_row, b["uv"], b["relative"])
        return flow + AUXILIARY_WEIGHT * auxiliary, {"flow": flow.detach(), **parts}

    def advance(self, done: float) -> dict[str, Tensor]:
        """One optimizer step; returns the parts of this process's loss.

        Args:
            done: share of the run that is behind it, which the rates fall with.
        """
        scale = self.peak * min(1.0, (self.step + 1) / WARM_UP)
        scale *= 0.5 * (1.0 + math.cos(math.pi * min(1.0, done))) * 0.98 + 0.02
        total, parts = self.loss(self.batch())
        total.backward()
        gradients = []
        for parameter in self.parameters:
            assert parameter.grad is not None
            gradients.append(parameter.grad)
        sum_over_ranks(gradients, 1.0 / self.ranks)
        nn.utils.clip_grad_norm_(self.parameters, MAX_GRADIENT_NORM)
        updates = self.muon.updates(self.rank, self.ranks)
        sum_over_ranks(updates, 1.0)
        self.muon.apply(updates, scale)
        for group in self.adam.param_groups:
            group["lr"] = RATE * scale
        self.adam.step()
        for parameter in self.parameters:
            parameter.grad = None
        self.step += 1
        self._update_average()
        return parts

    def _update_average(self) -> None:
        decay = min(0.998, 1.0 - 1.0 / (self.step / 10 + 1))
        with torch.no_grad():
            current = self.network.state_dict()
            torch._foreach_lerp_(
                list(self.average.values()), [current[k] for k in self.average], 1.0 - decay
            )
