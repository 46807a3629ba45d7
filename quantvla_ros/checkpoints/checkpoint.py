# SPDX-License-Identifier: Apache-2.0
"""A checkpoint's directory: config.json, and its tensors by name, none read before it is used."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantvla_ros.checkpoints.lora import merge_adapter
from quantvla_ros.checkpoints.sources import Source, TensorFile, read_tensor_file
from quantvla_ros.errors import CheckpointError

CONFIG = "config.json"
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_TRAINED = "pretrained_model"
"""LeRobot's training puts a checkpoint into a folder of this name."""
_OLD_BUFFERS = re.compile(r"(^|\.)(normalize_inputs|normalize_targets|unnormalize_outputs)\.")
"""Statistics that LeRobot stored among the weights before it had pipelines (below 0.4)."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was opened; its tensors stay on disk.

    Attributes:
        path: directory that holds config.json.
        config: content of config.json.
        sources: tensors by name, without torch.compile's ``_orig_mod.`` and with LoRA merged.
        tied: names that are not stored because they share another tensor's memory, with that
            tensor's name (safetensors' header says so).
        buffers: ``normalize_*`` and ``unnormalize_*`` of old LeRobot checkpoints, no weights.
    """

    path: Path
    config: Mapping[str, Any]
    sources: Mapping[str, Source]
    tied: Mapping[str, str]
    buffers: Mapping[str, Source]

    def json(self, name: str) -> Any:
        """Content of another JSON file of the directory; None where there is none.

        Raises:
            CheckpointError: it is damaged.
        """
        path = self.path / name
        return read_json(path) if path.is_file() else None

    @property
    def bytes(self) -> int:
        """Of all tensors."""
        return sum(source.meta().nbytes for source in self.sources.values())


def open_checkpoint(given: Path, base: Path | None = None) -> Checkpoint:
    """Open a directory as LeRobot, NVIDIA or openpi's PyTorch export writes it.

    Args:
        given: the directory, or one with a folder ``pretrained_model``.
        base: directory of the weights that a LoRA adapter was trained on, where they do not lie
            beside it.

    Raises:
        CheckpointError: a file is missing, damaged, or of a kind that is not read.
    """
    if not given.is_dir():
        raise CheckpointError(f"{given} is no directory; give the directory of a checkpoint")
    path = given
    if not (path / CONFIG).is_file() and (path / _TRAINED / CONFIG).is_file():
        path = path / _TRAINED
    config = read_json(path / CONFIG)
    if not isinstance(config, dict):
        raise CheckpointError(f"{path / CONFIG} holds no object; copy the checkpoint again")
    adapter = path / "adapter_config.json"
    files = _weight_files(path)
    if not files and adapter.is_file():
        files = _base_files(path, read_json(adapter), base)
    if not files:
        raise _no_weights(path)
    stored: dict[str, Source] = {}
    tied: dict[str, str] = {}
    for file in files:
        for name, tensor in file.tensors.items():
            plain = without_compile(name)
            if plain in stored:
                raise CheckpointError(
                    f"{file.path} holds tensor '{plain}' a second time; copy the checkpoint again"
                )
            stored[plain] = tensor
        tied |= {without_compile(k): without_compile(v) for k, v in file.metadata.items()}
    if adapter.is_file():
        stored = merge_adapter(path, read_json(adapter), stored)
    return Checkpoint(
        path=path,
        config=config,
        sources={name: one for name, one in stored.items() if not _OLD_BUFFERS.search(name)},
        tied={name: other for name, other in tied.items() if other in stored},
        buffers={name: one for name, one in stored.items() if _OLD_BUFFERS.search(name)},
    )


def without_compile(name: str) -> str:
    """A tensor's name without what torch.compile puts before it."""
    return name.replace("_orig_mod.", "")


def read_json(path: Path) -> Any:
    """Content of a JSON file.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}); give the directory of a whole checkpoint"
        ) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is not valid JSON ({error}); copy the checkpoint again"
        ) from error


def _weight_files(path: Path) -> list[TensorFile]:
    """Headers of one file or of all shards; none where the directory has no weights."""
    if (path / _WEIGHTS).is_file():
        return [read_tensor_file(path / _WEIGHTS)]
    if not (path / _INDEX).is_file():
        return []
    index = read_json(path / _INDEX)
    listed = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(listed, dict) or not listed:
        raise CheckpointError(f"{path / _INDEX} lists no tensors; copy the checkpoint again")
    files = []
    for shard in sorted({str(name) for name in listed.values()}):
        if Path(shard).name != shard:
            raise CheckpointError(f"{path / _INDEX} names '{shard}', which is no file beside it")
        file = read_tensor_file(path / shard)
        here = {name for name, other in listed.items() if other == shard}
        if odd := sorted(here ^ set(file.tensors)):
            listed_only = odd[0] in here
            place, lacking = (_INDEX, shard) if listed_only else (shard, _INDEX)
            raise CheckpointError(
                f"tensor '{odd[0]}' is in {path / place} and not in {lacking}; copy the checkpoint "
                "again"
            )
        files.append(file)
    return files


def _base_files(path: Path, adapter: Any, base: Path | None) -> list[TensorFile]:
    named = str(adapter.get("base_model_name_or_path") or "") if isinstance(adapter, dict) else ""
    place = base or (path / named if named and (path / named).is_dir() else None)
    files = _weight_files(place) if place is not None else []
    if not files:
        raise CheckpointError(
            f"{path} holds a LoRA adapter of '{named}' and no {_WEIGHTS}; download that checkpoint "
            "and give its directory with --base DIR"
        )
    return files


def _no_weights(path: Path) -> CheckpointError:
    if (path / "params").is_dir():
        return CheckpointError(
            f"{path} is a JAX checkpoint (params/); convert it with openpi's "
            "examples/convert_jax_model_to_pytorch.py and import what that writes"
        )
    pickled = next((f.name for p in ("*.bin", "*.pt", "*.pth") for f in path.glob(p)), None)
    if pickled:
        return CheckpointError(
            f"{path} holds {pickled}, a pickle, which may run any code; save it as {_WEIGHTS} "
            "where it was trained"
        )
    return CheckpointError(
        f"{path} holds neither {_WEIGHTS} nor {_INDEX}; give the directory of a whole checkpoint"
    )
