# SPDX-License-Identifier: Apache-2.0
"""LoRA adapters (PEFT's layout), merged into the weights that they were trained on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantvla_ros.checkpoints.sources import Source, read_tensor_file
from quantvla_ros.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

ADAPTER = "adapter_model.safetensors"
_BEFORE = "base_model.model."
_REFUSED = ("use_dora", "use_qalora", "alora_invocation_tokens", "megatron_config")


@dataclass(frozen=True)
class MergedTensor:
    """A weight with its adapter's part: ``base + scale * B @ A``, summed in float32.

    Attributes:
        base: weight before the adapter.
        down: A, [rank, in]; of an embedding [rank, rows].
        up: B, [out, rank]; of an embedding [width, rank].
        scale: of the product.
        transposed: whether the weight is stored as [in, out].
    """

    base: Source
    down: Source
    up: Source
    scale: float
    transposed: bool

    def read(self) -> Tensor:
        """The sum, in the type of the base; holds two float32 copies of this one while it adds."""
        base = self.base.read()
        change = self.up.read().float() @ self.down.read().float()
        change = change.T if self.transposed else change
        return change.mul_(self.scale).add_(base.float()).to(base.dtype)

    def meta(self) -> Tensor:
        """As the base's."""
        return self.base.meta()


def merge_adapter(path: Path, config: Any, stored: Mapping[str, Source]) -> dict[str, Source]:
    """The tensors of a base with those of an adapter merged into them or in their places.

    Args:
        path: directory of adapter_config.json and adapter_model.safetensors.
        config: content of adapter_config.json.
        stored: tensors of the base by name.

    Raises:
        CheckpointError: the adapter is of another kind than LoRA, or does not fit the base.
    """
    where = path / "adapter_config.json"
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        kind = config.get("peft_type") if isinstance(config, dict) else None
        raise CheckpointError(
            f"{where} is of peft_type {kind}; only LORA is merged: merge it with PEFT's "
            "merge_and_unload and import the result"
        )
    for key in _REFUSED:
        if config.get(key):
            raise CheckpointError(
                f"{where} sets {key}, which is not merged here: merge it with PEFT's "
                "merge_and_unload and import the result"
            )
    adapter = {
        _plain(name): tensor for name, tensor in read_tensor_file(path / ADAPTER).tensors.items()
    }
    merged = dict(stored)
    for name, tensor in adapter.items():
        if (found := re.fullmatch(r"(.+)\.lora_(A|embedding_A)(\.weight)?", name)) is not None:
            module, kind = found[1], found[2]
            up = adapter.get(name.replace(f"lora_{kind}", f"lora_{kind[:-1]}B"))
            target = _target(module, merged)
            if up is None or target is None:
                missing = f"{module}.weight" if up else f"B of '{name}'"
                raise CheckpointError(
                    f"{path / ADAPTER} changes '{module}' and {missing} is not there; give the "
                    "base that the adapter was trained on with --base DIR"
                )
            embedding = kind.startswith("embedding")
            merged[target] = MergedTensor(
                base=merged[target],
                down=tensor,
                up=up,
                scale=_scale(config, module, rank=tensor.shape[0]),
                # PEFT adds (B @ A).T to an embedding, and to Conv1D's weights, stored [in, out].
                transposed=embedding or bool(config.get("fan_in_fan_out")),
            )
            _check_shape(path / ADAPTER, target, merged[target])
        elif re.search(r"\.lora_(B|embedding_B)(\.weight)?$", name) is None:
            _replace(path, name, tensor, merged)
    return merged


def _plain(name: str) -> str:
    """A tensor's name as the base knows it, but for its lora_A and lora_B."""
    name = name.replace("_orig_mod.", "").removeprefix(_BEFORE)
    name = re.sub(r"(\.lora_(?:embedding_)?[AB])\.default", r"\1", name)
    return re.sub(r"\.modules_to_save(\.default)?\.", ".", name).replace(".base_layer.", ".")


def _target(module: str, stored: Mapping[str, Source]) -> str | None:
    return f"{module}.weight" if f"{module}.weight" in stored else None


def _scale(config: Mapping[str, Any], module: str, rank: int) -> float:
    """Alpha by rank, or by its root with rslora; a pattern may give a module its own alpha."""
    alpha = float(config.get("lora_alpha") or rank)
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.search(rf"(^|.*\.){pattern}$", module):
            alpha = float(value)
            break
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _check_shape(file: Path, name: str, merged: Source) -> None:
    assert isinstance(merged, MergedTensor)
    out, inner = merged.up.meta().shape[0], merged.down.meta().shape[-1]
    shape = (inner, out) if merged.transposed else (out, inner)
    if tuple(merged.meta().shape) != shape:
        raise CheckpointError(
            f"{file} changes '{name}' of shape {tuple(merged.meta().shape)} by one of {shape}; "
            "give the base that the adapter was trained on with --base DIR"
        )


def _replace(path: Path, name: str, tensor: Source, merged: dict[str, Source]) -> None:
    """Put a whole tensor (modules_to_save, a trained bias) in the base's place."""
    known = merged.get(name)
    if known is None or known.meta().shape != tensor.meta().shape:
        shape = "is not in the base" if known is None else "has another shape in the base"
        raise CheckpointError(
            f"tensor '{name}' of {path / ADAPTER} {shape}; give the base that the adapter was "
            "trained on with --base DIR"
        )
    merged[name] = tensor
