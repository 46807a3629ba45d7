# SPDX-License-Identifier: Apache-2.0
"""Finished layers of a quantization, kept beside its output until that is written."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calib_tools.common.output import write_json
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.rounding.codes import Codes
from quantvla_ros.whole_file import whole_file

_SETTINGS, _LOCK, _MEASURES = "settings.json", "lock", "measures"

Progress = Callable[[str, float], None]
"""Called with a stage's or layer's name and the share done, 0..1."""


@dataclass(frozen=True)
class StoredLayer:
    """One rounded layer.

    Attributes:
        codes: of its weight.
        clip: of its static activation range; None otherwise.
        record: what was observed and lost, for the report.
    """

    codes: Codes
    clip: float | None
    record: dict[str, Any]


class WorkDirectory:
    """``.NAME.work`` beside the output; used by one process at a time.

    One that was made with other settings is emptied first.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        """Open it.

        Raises:
            QuantVLAError: another process uses it.
        """
        out = out.resolve()
        self.path = out.with_name(f".{out.name}.work")
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / _LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise QuantVLAError(
                f"another `quantvla quantize` is making {out}; wait for it, or give another --out"
            ) from error
        try:
            self._begin(settings)
        except BaseException:
            self.discard()
            raise

    def _begin(self, settings: Mapping[str, Any]) -> None:
        wanted = json.loads(json.dumps(dict(settings)))
        if _read(self.path / _SETTINGS) != wanted:
            for entry in self.path.iterdir():
                if entry.name != _LOCK:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            write_json(self.path / _SETTINGS, wanted)

    def has_layer(self, name: str, bits: int) -> bool:
        """True when the layer is finished."""
        return self._file(name, bits).exists()

    def layer(self, name: str, bits: int) -> StoredLayer:
        """A finished layer."""
        return read_layer(self.path, name, bits)

    def keep_layer(self, name: str, bits: int, layer: StoredLayer) -> None:
        """Keep a finished layer."""
        from safetensors.torch import save_file

        file = self._file(name, bits)
        content = json.dumps({"clip": layer.clip, "record": layer.record})
        tensors: dict[str, Tensor] = {
            "values": layer.codes.values.contiguous(),
            "scales": layer.codes.scales.contiguous(),
        }
        with whole_file(file) as draft:
            save_file(tensors, draft, {"content": content})

    def measure(self, name: str, bits: int) -> dict[str, Any] | None:
        """A finished measurement of a layer's effect, or None."""
        found: dict[str, Any] | None = _read(self.path / _MEASURES / f"{name}.{bits}.json")
        return found

    def keep_measure(self, name: str, bits: int, content: Mapping[str, Any]) -> None:
        """Keep a finished measurement."""
        write_json(self.path / _MEASURES / f"{name}.{bits}.json", content)

    def keep_object(self, name: str, content: Any) -> Path:
        """Write something for worker processes of this quantization.

        Raises:
            OSError: it cannot be written; nothing of it is left.
        """
        file = self.path / name
        with whole_file(file) as draft:
            _save(content, draft)
        return file

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What was made under this name before, in this start or an earlier one; else make it."""
        file = self.path / name
        if file.exists():
            return torch.load(file, weights_only=False)  # written by this command alone
        made = make()
        self.keep_object(name, made)
        return made

    def close(self) -> None:
        """Leave it for the next start."""
        self._lock.close()

    def discard(self) -> None:
        """Delete it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.close()

    def _file(self, name: str, bits: int) -> Path:
        return _layer_file(self.path, name, bits)


def read_layer(folder: Path, name: str, bits: int) -> StoredLayer:
    """A finished layer, for processes that do not own the work directory."""
    from safetensors import safe_open

    with safe_open(_layer_file(folder, name, bits), "pt") as stored:
        codes = Codes(stored.get_tensor("values"), stored.get_tensor("scales"))
        content = json.loads(stored.metadata()["content"])
    return StoredLayer(codes, content["clip"], content["record"])


def load_mapped(file: Path) -> Any:
    """What `keep_object` wrote, mapped; by its number, for PyTorch maps UTF-8 names alone."""
    with file.open("rb") as opened:
        return torch.load(f"/proc/self/fd/{opened.fileno()}", weights_only=False, mmap=True)


def _save(content: Any, file: Path) -> None:
    """torch.save whose failures to write are an OSError, as those of other files are."""
    try:
        # torch's own way of writing to a path does not say why it failed; that of a file does.
        with file.open("wb") as opened:
            torch.save(content, opened)
    except RuntimeError as error:
        cause: BaseException | None = error
        while cause is not None:  # torch's clean-up fails too, and hides the file's error
            if isinstance(cause, OSError):
                raise cause from error
            cause = cause.__context__
        if "failed writing" not in str(error):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file)) from error


def _layer_file(folder: Path, name: str, bits: int) -> Path:
    return folder / f"{name}.{bits}.safetensors"


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


@dataclass(frozen=True)
class Workplace:
    """Where a quantization works.

    Attributes:
        directory: keeps what is done, which is not done again.
        ray: address of a cluster, "local", or None for processes without Ray.
        progress: told how far it is.
    """

    directory: WorkDirectory
    ray: str | None
    progress: Progress

    def part(self, low: float, high: float) -> Workplace:
        """The same for a part that does the shares from ``low`` to ``high`` of the whole."""
        return replace(
            self, progress=lambda text, share: self.progress(text, low + (high - low) * share)
        )
