# SPDX-License-Identifier: Apache-2.0
"""From a stream of messages to the samples of a buffer; what `record` and `select` share."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib_tools.buffer.instructions import Refusal
from calib_tools.buffer.messages import RawMessage, decode_image, encode_png
from calib_tools.buffer.selection import DifferentGroups, features_of, spread
from calib_tools.buffer.sources import CalibrationConfig
from calib_tools.buffer.synchroniser import Group, Synchroniser
from quantvla_ros.errors import CalibrationBufferError, QuantVLAError
from quantvla_ros.processing.instruction import shortened, too_long
from quantvla_ros.serving.joint_names import joint_mismatch

IN_VAIN = 50
"""After so many unusable messages and groups, and not one usable, waiting is in vain."""


@dataclass(frozen=True)
class Sample:
    """One sample as it is stored.

    Attributes:
        stamp_ns: stamp of the first camera's frame.
        pictures: camera name -> PNG.
        position: joint positions in the configured order, rad or m.
        velocity: joint velocities, rad/s or m/s.
        instruction: the text.
        stamps_ns: source name -> stamp of its message.
    """

    stamp_ns: int
    pictures: Mapping[str, bytes]
    position: NDArray[np.float64]
    velocity: NDArray[np.float64]
    instruction: str
    stamps_ns: Mapping[str, int]


@dataclass(frozen=True)
class Counts:
    """What became of the stream.

    Attributes:
        groups: synchronised groups.
        rejected: groups and messages not used, by reason.
        near_duplicates: groups that nearly repeat another.
        surplus: different groups that the spread left out.
    """

    groups: int
    rejected: Mapping[str, int]
    near_duplicates: int
    surplus: int


def check_wanted(config: CalibrationConfig, wanted: int) -> None:
    """Refuse a number of samples that no buffer can be used with.

    Raises:
        CalibrationBufferError: it is below the smallest useful number.
    """
    if wanted < config.min_samples:
        raise CalibrationBufferError(
            f"A buffer of {wanted} samples is too small; ask for at least "
            f"{config.min_samples} with --samples."
        )


class Collector:
    """Synchronises, drops near-duplicates and finally spreads the samples over what is left.

    Attributes:
        near_duplicates: groups dropped because they nearly repeat another.
    """

    def __init__(self, config: CalibrationConfig, wanted: int, refusal: Refusal = too_long) -> None:
        """Collect for `wanted` samples; ask for at least the configuration's `min_samples`.

        Args:
            config: sources and limits.
            wanted: samples.
            refusal: rule for the instructions, see `refusal_for`.

        Raises:
            CalibrationBufferError: `wanted` is below the smallest useful number.
        """
        check_wanted(config, wanted)
        self._config = config
        self._wanted = wanted
        self._different = DifferentGroups(config.near_duplicate)
        self._candidates: list[Sample] = []
        self._groups = 0
        self.near_duplicates = 0
        self._refusal = functools.cache(refusal)
        self._trouble = ""
        self._unreadable = ""
        self._readable = False
        self.synchroniser = Synchroniser(config)

    @property
    def candidates(self) -> int:
        """Different groups so far."""
        return len(self._candidates)

    @property
    def target(self) -> int:
        """Different groups after which a live recording has enough to choose from."""
        return math.ceil(self._wanted * self._config.candidates_per_sample)

    @property
    def useless(self) -> str:
        """Why nothing that came so far can be used, so that waiting is in vain; else empty."""
        if mismatch := self._joint_mismatch():
            return mismatch
        if self._unreadable and not self._readable:
            return self._unreadable
        if self._groups <= 1 and (distrust := self._distrust()):
            return distrust
        rejected = self.synchroniser.rejected
        # Where only the instruction is still to come, all else is usable.
        if self._groups or rejected["no instruction"] or rejected.total() < IN_VAIN:
            return ""
        return f"Nothing that came is usable ({_listed(rejected)})."

    def _joint_mismatch(self) -> str:
        source, names = self._config.joint_states, self.synchroniser.joint_names
        return joint_mismatch("configuration", source.names, source.topic, names) if names else ""

    def add(self, message: RawMessage) -> None:
        """Take the next message of the stream."""
        self._take(self.synchroniser.add(message))

    def new_stream(self) -> None:
        """Close the open groups: messages of another bag follow."""
        self._take(self.synchroniser.new_stream())

    def _take(self, groups: list[Group]) -> None:
        for group in groups:
            self._groups += 1
            if why := self._refusal(group.instruction):
                self._trouble = f"{why[0].upper()}{why[1:]}."
                reason = f"unusable instruction '{shortened(group.instruction)}'"
                self.synchroniser.rejected[reason] += 1
                continue
            try:
                images = {name: decode_image(frame) for name, frame in group.frames.items()}
            except QuantVLAError as error:
                self._trouble = self._unreadable = str(error)
                self.synchroniser.rejected["unreadable image"] += 1
                continue
            self._readable = True
            if not self._different.add(
                features_of(group.joints.position, images, group.instruction)
            ):
                self.near_duplicates += 1
                continue
            self._candidates.append(
                Sample(
                    stamp_ns=group.stamp_ns,
                    pictures={name: encode_png(image) for name, image in images.items()},
                    position=group.joints.position,
                    velocity=group.joints.velocity,
                    instruction=group.instruction,
                    stamps_ns=group.stamps_ns,
                )
            )

    def finish(self) -> tuple[list[Sample], Counts]:
        """End the stream and choose the samples.

        Raises:
            CalibrationBufferError: fewer than `min_samples` different groups; says what became
                of the others.
        """
        self._take(self.synchroniser.finish())
        rejected = dict(sorted(self.synchroniser.rejected.items()))
        found = len(self._candidates)
        if found < self._config.min_samples:
            raise CalibrationBufferError(self._too_few(found, rejected))
        chosen = spread(self._different.kept, self._wanted)
        counts = Counts(self._groups, rejected, self.near_duplicates, found - len(chosen))
        return [self._candidates[i] for i in chosen], counts

    def _too_few(self, found: int, rejected: Mapping[str, int]) -> str:
        received = self.synchroniser.received
        silent = [t for t in self._config.topics() if not received[t]]
        reasons = [f"nothing on {topic}" for topic in silent]
        reasons += [_listed(rejected)] if rejected else []
        if self.near_duplicates:
            reasons.append(f"near-duplicates: {self.near_duplicates}")
        text = (
            f"Only {found} usable samples were found, at least {self._config.min_samples} are "
            f"needed ({'; '.join(reasons) or 'the stream was short'})"
        )
        trouble = self._joint_mismatch() or self._trouble or self._distrust()
        return f"{text}; {trouble}" if trouble else f"{text}."

    def _distrust(self) -> str:
        if not (trouble := self.synchroniser.joints.trouble):
            return ""
        topic = self._config.joint_states.topic
        return f"{trouble[0].upper()}{trouble[1:]} (does a second node publish on {topic}?)."


def _listed(rejected: Mapping[str, int]) -> str:
    return "; ".join(f"{reason}: {number}" for reason, number in rejected.items())
