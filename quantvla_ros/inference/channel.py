# SPDX-License-Identifier: Apache-2.0
"""Shared memory between the node and its worker: one observation in, one chunk out.

The block has no name in the file system: it is a memory file that lives as long as one of the two
processes holds it, so nothing is left behind however they end. It has room for the largest picture
of each camera, of which the system gives only the pages that are written. Only one request is in
flight at a time, and a message over the control pipe announces that a half is written.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.processing.instruction import MAX_INSTRUCTION_BYTES, too_long
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.interface import Interface
from quantvla_ros.robot.observation import MOST_PIXELS, Observation

_ALIGN = 64


@dataclass(frozen=True)
class _Field:
    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=np.int64))


def _layout(interface: Interface) -> list[_Field]:
    chunk = (interface.horizon, len(interface.action.names))
    return [
        _Field("stamp", "<f8", (1,)),
        _Field("instruction_size", "<i8", (1,)),
        _Field("instruction", "u1", (MAX_INSTRUCTION_BYTES,)),
        _Field("joints", "<f4", (len(interface.state.names),)),
        _Field("prefix_rows", "<i8", (2,)),
        _Field("prefix", "<f8", chunk),
        _Field("chunk_stamp", "<f8", (1,)),
        _Field("actions", "<f8", chunk),
        *(_Field(f"size {c.name}", "<i8", (2,)) for c in interface.cameras),
        *(_Field(f"image {c.name}", "u1", (3 * MOST_PIXELS,)) for c in interface.cameras),
    ]


def _offsets(fields: list[_Field]) -> tuple[list[int], int]:
    starts, end = [], 0
    for field in fields:
        starts.append(end)
        end += -(-field.size // _ALIGN) * _ALIGN
    return starts, end


class Channel:
    """numpy views on the shared block; both sides compute the same layout from the interface.

    Attributes:
        fd: descriptor of the block, for the worker to inherit.
    """

    def __init__(self, interface: Interface, fd: int | None = None) -> None:
        """Make a block, or map the one behind `fd`; the descriptor is owned from here on."""
        self._interface = interface
        fields = _layout(interface)
        starts, size = _offsets(fields)
        if fd is None:
            fd = os.memfd_create("quantvla_inference")
            os.ftruncate(fd, size)
        self.fd = fd
        block = mmap.mmap(fd, size)
        self._views: dict[str, NDArray[np.generic]] = {
            f.name: np.frombuffer(block, f.dtype, int(np.prod(f.shape)), start).reshape(f.shape)
            for f, start in zip(fields, starts, strict=True)
        }

    def close(self) -> None:
        """Give the descriptor back; the memory goes with the last view on it."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1
        self._views = {}

    def write_observation(self, observation: Observation) -> None:
        """Copy an observation in, one that `check_observation` has passed.

        Raises:
            QuantVLAError: the instruction is too long.
        """
        if long := too_long(observation.instruction):
            raise QuantVLAError(long)
        text = observation.instruction.encode()
        self._set("stamp", observation.stamp)
        self._set("instruction_size", len(text))
        self._views["instruction"][: len(text)] = np.frombuffer(text, np.uint8)
        self._set("joints", observation.joints)
        for camera in self._interface.cameras:
            picture = observation.images.get(camera.name)
            self._set(f"size {camera.name}", (0, 0) if picture is None else picture.shape[:2])
            if picture is not None:
                self._picture(camera.name)[...] = picture

    def read_observation(self) -> Observation:
        """Copy the observation out."""
        size = int(self._get("instruction_size")[0])
        return Observation(
            images={
                c.name: self._picture(c.name).copy()
                for c in self._interface.cameras
                if self._get(f"size {c.name}").any()
            },
            joints=self._get("joints").astype(np.float32),
            instruction=self._get("instruction")[:size].tobytes().decode(),
            stamp=float(self._get("stamp")[0]),
        )

    def write_prefix(self, prefix: ActionPrefix | None) -> None:
        """Copy a prefix in that `check_prefix` has passed, or say that there is none."""
        rows = 0 if prefix is None else len(prefix.actions)
        self._set("prefix_rows", (rows, 0 if prefix is None else prefix.committed))
        if prefix is not None:
            self._views["prefix"][:rows] = prefix.actions

    def read_prefix(self) -> ActionPrefix | None:
        """Copy the prefix out; None where there is none."""
        rows, committed = (int(value) for value in self._get("prefix_rows"))
        if rows == 0:
            return None
        return ActionPrefix(self._get("prefix")[:rows].astype(np.float64), committed)

    def write_chunk(self, actions: NDArray[np.float64], stamp: float) -> None:
        """Copy a chunk in: actions [horizon, actions], NaN and all, and its stamp, s.

        Raises:
            QuantVLAError: the actions have another shape than the interface says.
        """
        expected = self._views["actions"].shape
        if np.shape(actions) != expected:
            raise QuantVLAError(
                f"the backend gave actions of shape {np.shape(actions)}, the bundle says {expected}"
            )
        self._set("actions", actions)
        self._set("chunk_stamp", stamp)

    def read_chunk(self) -> tuple[NDArray[np.float64], float]:
        """Copy the chunk out: actions [horizon, actions] and their stamp, s."""
        return self._get("actions").astype(np.float64), float(self._get("chunk_stamp")[0])

    def _picture(self, camera: str) -> NDArray[np.uint8]:
        """The camera's picture as large as the observation's: a view."""
        height, width = (int(side) for side in self._get(f"size {camera}"))
        flat: NDArray[Any] = self._get(f"image {camera}")
        return flat[: 3 * height * width].reshape(height, width, 3)

    def _get(self, name: str) -> NDArray[np.generic]:
        return self._views[name]

    def _set(self, name: str, value: Any) -> None:
        self._views[name][...] = value


def chunk_checksum(actions: NDArray[np.float64], stamp: float) -> int:
    """CRC-32 of a chunk, which travels by the pipe while the chunk travels by memory."""
    rows = np.ascontiguousarray(actions, "<f8").tobytes()
    return zlib.crc32(rows, zlib.crc32(struct.pack("<d", stamp)))
