# SPDX-License-Identifier: Apache-2.0
"""What the inputs of linear layers look like, pooled over a buffer and every denoise step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from quantvla_ros.errors import CalibrationBufferError
from quantvla_ros.quantization.rounding.gptq import Compensation, compensation, damping_for
from quantvla_ros.quantization.token_sample import TokenCollector, TokenSample
from quantvla_ros.quantization.transforms.base import seen_input

MANTISSA_BITS = 6  # of a histogram bin: 64 bins an octave, 1.6 % wide
_SHIFT = 23 - MANTISSA_BITS
_BINS = 1 << (31 - _SHIFT)  # every finite magnitude has a bin
_TAIL_QUANTILE = 0.999
_STRIP = 4096  # columns of a second moment that one product makes, of those on and below its own


@dataclass
class InputStatistics:
    """One linear's input, as its weight sees it.

    Attributes:
        count: tokens seen.
        absmax: largest magnitude a column, float32 [in].
        mean_square: float32 [in].
        hessian: mean of ``x x^T``, float32 [in, in], or None when it was not asked for.
        histogram: number of values a magnitude bin, int64 [bins] (see `bin_centers`).
        tail_ratio: largest magnitude over the 99.9th percentile of all magnitudes.
        sample: some tokens, or None when they were not asked for.
        prepared: `compensation` of the Hessian, once a layer has asked for it.
    """

    count: int
    absmax: Tensor
    mean_square: Tensor
    hessian: Tensor | None
    histogram: Tensor
    tail_ratio: float
    sample: TokenSample | None = None
    prepared: Compensation | None = None

    def compensation(self) -> Compensation:
        """What GPTQ needs of the Hessian, made once for all layers that share the input.

        Raises:
            QuantVLAError: the Hessian is not finite or stays singular.
        """
        if self.prepared is None:
            assert self.hessian is not None
            self.prepared = compensation(self.hessian, damping_for(self.count, len(self.hessian)))
        return self.prepared

    def percentile(self, share: float) -> float:
        """Magnitude that `share` (0..1) of all values stay below, to the width of a bin."""
        total = self.histogram.cumsum(0)
        index = int(torch.searchsorted(total, share * float(total[-1])))
        return min(float(bin_centers()[index]), float(self.absmax.max()))


def bin_centers() -> Tensor:
    """Magnitude in the middle of every histogram bin, float32 [bins].

    A bin is the exponent and the first bits of the mantissa of a float32.
    """
    index = torch.arange(_BINS, dtype=torch.int32)
    return ((index << _SHIFT) + (1 << (_SHIFT - 1))).view(torch.float32)


class _Accumulator:
    """Running statistics of one input, which several layers may share."""

    def __init__(self, width: int, hessian: bool, sample: bool) -> None:
        self.count = 0
        self.low, self.high = torch.full((width,), torch.inf), torch.full((width,), -torch.inf)
        self.squares = torch.zeros(width, dtype=torch.float64)
        self.histogram = torch.zeros(_BINS, dtype=torch.int64)
        self.products = torch.zeros(width, width) if hessian else None
        self.tokens = TokenCollector(width) if sample else None

    def add(self, name: str, x: Tensor) -> None:
        tokens = x.detach().reshape(-1, x.shape[-1]).float()
        if not bool(torch.isfinite(tokens).all()):
            raise CalibrationBufferError(
                f"the input of layer '{name}' holds NaN or infinity on the calibration buffer; "
                "check the float policy and the buffer's joints"
            )
        self.count += tokens.shape[0]
        self.low = torch.minimum(self.low, tokens.amin(dim=0))
        self.high = torch.maximum(self.high, tokens.amax(dim=0))
        self.squares += tokens.square().sum(dim=0, dtype=torch.float64)
        bins = tokens.abs().contiguous().view(torch.int32) >> _SHIFT
        self.histogram += torch.bincount(bins.flatten(), minlength=_BINS)
        if self.products is not None:
            for start in range(0, tokens.shape[1], _STRIP):  # the upper half is the lower one
                strip = self.products[start:, start : start + _STRIP]
                strip.addmm_(tokens[:, start:].T, tokens[:, start : start + _STRIP])
        if self.tokens is not None:
            self.tokens.add(tokens)

    def finish(self, name: str) -> InputStatistics:
        if bool((self.low == self.high).all()):
            raise CalibrationBufferError(
                f"the input of layer '{name}' is the same in every calibration sample; record a "
                f"buffer in which the robot moves, or keep the layer float with --keep-float {name}"
            )
        absmax = torch.maximum(self.low.abs(), self.high.abs())
        hessian = None if self.products is None else self._mirrored().div_(self.count)
        mean_square = (self.squares / self.count).float()
        found = InputStatistics(
            self.count, absmax, mean_square, hessian, self.histogram, tail_ratio=1.0,
            sample=None if self.tokens is None else self.tokens.finish(),
        )  # fmt: skip
        tail = found.percentile(_TAIL_QUANTILE)
        found.tail_ratio = float(absmax.max()) / max(tail, torch.finfo(torch.float32).tiny)
        return found

    def _mirrored(self) -> Tensor:
        """The sum of products, whole."""
        assert self.products is not None
        for start in range(0, len(self.products), _STRIP):
            end = start + _STRIP
            self.products[start:end, end:] = self.products[end:, start:end].T
        return self.products


class _Watch:
    """Hooks of all layers; layers that are given one and the same tensor share what it costs."""

    def __init__(self, hessian: bool, sample: bool) -> None:
        self.owner: dict[str, str] = {}
        self.found: dict[str, _Accumulator] = {}
        self._hessian, self._sample = hessian, sample
        self._last: tuple[Tensor, str] | None = None

    def see(self, name: str, layer: nn.Module, given: Tensor) -> None:
        x = seen_input(layer, given)
        if x is given and self._last is not None and self._last[0] is given:
            owner = self._last[1]
        else:
            owner = name
        # A layer joins another only if it does so on every call.
        if self.owner.setdefault(name, owner) != owner:
            raise RuntimeError(f"layer '{name}' shares its input on some calls only")
        self._last = (given, owner) if x is given else None
        if owner == name:
            if name not in self.found:
                self.found[name] = _Accumulator(x.shape[-1], self._hessian, self._sample)
            self.found[name].add(name, x)


@contextmanager
def _watched(network: nn.Module, names: Sequence[str], watch: _Watch) -> Iterator[None]:
    def hook_of(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
            watch.see(name, layer, inputs[0])

        return hook

    handles = [
        network.get_submodule(name).register_forward_pre_hook(hook_of(name)) for name in names
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def observe_inputs(
    network: nn.Module,
    names: Sequence[str],
    run: Callable[[], None],
    hessian: bool,
    sample: bool = False,
) -> dict[str, InputStatistics]:
    """Run the network and gather what the named linears are given.

    Args:
        network: float, or float with some layers already quantized.
        names: linears to watch; their Hessians are all in memory at once.
        run: runs the network on the buffer.
        hessian: also gather Hessians.
        sample: also keep some tokens of each input.

    Returns:
        Statistics by name, without the layers that `run` never reached. Layers that were given
        the same tensor (q, k and v; gate and up) share theirs.

    Raises:
        CalibrationBufferError: an input is not finite or constant; the sentence names the layer.
    """
    watch = _Watch(hessian, sample)
    with torch.no_grad(), _watched(network, names, watch):
        run()
    finished = {name: found.finish(name) for name, found in watch.found.items()}
    return {name: finished[watch.owner[name]] for name in names if name in watch.owner}
