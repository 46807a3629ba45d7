# SPDX-License-Identifier: Apache-2.0
"""Groups of messages that belong together, from a stream of messages. No ROS, no clock.

Each frame of the first camera opens a group; of every other source the message nearest in time
joins it. Only stamps and the order of arrival decide, and age is measured against the newest
stamp in the stream, so a live stream, a bag and a simulation in its own time give the same groups.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calib_tools.buffer.joint_stream import QUIET_NS, JointSample, JointStream
from calib_tools.buffer.messages import RawMessage, UndecodableError, decode, header_stamp_ns
from calib_tools.buffer.sources import JOINTS, CalibrationConfig, CameraSource, JointSource

_ANOTHER_CLOCK_NS = 60_000_000_000  # no transport is so late; two clocks may well differ by it
_CLOCK_RESET_NS = 1_000_000_000  # a step back by more than this is another run of the clock


@dataclass(frozen=True)
class Group:
    """One synchronised set.

    Attributes:
        stamp_ns: stamp of the first camera's frame.
        frames: camera name -> message, not decoded.
        joints: joint sample nearest to the stamp.
        instruction: the one in force when the frame arrived.
        stamps_ns: source name -> stamp of what was taken.
    """

    stamp_ns: int
    frames: Mapping[str, RawMessage]
    joints: JointSample
    instruction: str
    stamps_ns: Mapping[str, int]


@dataclass
class _Source:
    max_age_ns: int
    max_skew_ns: int
    items: deque[tuple[int, Any]] = field(default_factory=deque)

    def nearest(self, stamp: int) -> tuple[int, Any]:
        return min(self.items, key=lambda item: abs(item[0] - stamp))

    def forget_before(self, stamp: int) -> None:
        while len(self.items) > 1 and self.items[0][0] < stamp - self.max_skew_ns:
            self.items.popleft()


@dataclass(frozen=True)
class _Pending:
    stamp: int
    frame: RawMessage
    instruction: str


class Synchroniser:
    """Turns messages in their order of arrival into groups; counts what it rejects.

    Attributes:
        received: messages by topic.
        rejected: groups and messages that were not used, by reason.
        joint_names: of every joint that a message has named.
        joints: puts the joint states together.
    """

    def __init__(self, config: CalibrationConfig) -> None:
        self._config = config
        self._camera_of = {source.topic: name for name, source in config.cameras.items()}
        sources: dict[str, CameraSource | JointSource] = {
            **config.cameras,
            JOINTS: config.joint_states,
        }
        self._sources = {
            name: _Source(_ns(source.max_age_s), _ns(source.max_skew_s))
            for name, source in sources.items()
        }
        self._reference = config.reference
        self.joints = JointStream(config.joint_states)
        self.received: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.joint_names: set[str] = set()
        self._instruction = ""
        self._forget()

    def _forget(self) -> None:
        self._clock = 0
        self._pending: deque[_Pending] = deque()
        self.joints.forget()
        for source in self._sources.values():
            source.items.clear()

    def add(self, message: RawMessage) -> list[Group]:
        """Take the next message; return the groups that it completes."""
        self.received[message.topic] += 1
        if message.topic == self._config.instruction.topic:
            self._set_instruction(message)
            return []
        if message.topic == self._config.joint_states.topic:
            name = JOINTS
        else:
            name = self._camera_of[message.topic]
        try:
            stamp = header_stamp_ns(message.data)
        except UndecodableError:
            self.rejected[f"undecodable {name}"] += 1
            return []
        if name == JOINTS and not self._trusted(stamp, message):
            return []
        if not self._in_order(name, stamp):
            return []
        self._clock = max(self._clock, stamp)
        if name == JOINTS:
            self._add_joints(stamp)
        else:
            self._sources[name].items.append((stamp, message))
        if name == self._reference:
            if self._clock - stamp > self._sources[name].max_age_ns:
                self.rejected[_stale(name, self._clock - stamp)] += 1
            else:
                self._pending.append(_Pending(stamp, message, self._instruction))
        return self._close(final=False)

    def finish(self) -> list[Group]:
        """Close what still waits for a later message: the stream has ended."""
        return self._close(final=True)

    def new_stream(self) -> list[Group]:
        """Close the open groups and forget all messages: another bag follows."""
        groups = self.finish()
        self._instruction = ""
        self._forget()
        return groups

    def _in_order(self, name: str, stamp: int) -> bool:
        if stamp == 0:  # its driver sets none
            self.rejected[f"no stamp {name}"] += 1
            return False
        items = self._sources[name].items
        if not items or stamp > items[-1][0]:
            return True
        if stamp < items[-1][0] - _CLOCK_RESET_NS:
            self.rejected["clock set back"] += 1 + len(self._pending)
            self._forget()
            return True
        # A driver that publishes arm and gripper apart gives both the same stamp.
        if name == JOINTS and stamp == items[-1][0]:
            return True
        self.rejected[f"out of order {name}"] += 1
        return False

    def _set_instruction(self, message: RawMessage) -> None:
        try:
            self._instruction = str(decode(message).data).strip()
        except UndecodableError:
            self.rejected["undecodable instruction"] += 1

    def _trusted(self, stamp: int, message: RawMessage) -> bool:
        """Whether a joint state can be used; if not, those just before it are not used either."""
        try:
            state = decode(message)
        except UndecodableError:
            self.rejected["undecodable joint states"] += 1
            return False
        self.joint_names.update(state.name)
        clock = max(self._clock, stamp)
        reason = self.joints.distrust(stamp, state, message.number, clock)
        if reason:
            self.rejected[reason] += 1
        if self.joints.jumping:
            items = self._sources[JOINTS].items
            while items and items[-1][0] > stamp - QUIET_NS:
                items.pop()
        return not reason

    def _add_joints(self, stamp: int) -> None:
        sample = self.joints.take(stamp)
        items = self._sources[JOINTS].items
        if sample is not None and not (items and sample[0] <= items[-1][0]):
            items.append(sample)

    def _close(self, final: bool) -> list[Group]:
        groups: list[Group] = []
        while self._pending and (final or self._settled(self._pending[0].stamp)):
            group = self._build(self._pending.popleft())
            if isinstance(group, str):
                self.rejected[group] += 1
            else:
                groups.append(group)
        until = self._pending[0].stamp if self._pending else self._clock
        for source in self._sources.values():
            source.forget_before(until - source.max_age_ns)
        return groups

    def _settled(self, stamp: int) -> bool:
        """Whether no source can still bring a message nearer to `stamp`."""
        return all(
            (source.items and source.items[-1][0] >= stamp)
            or self._clock - stamp > source.max_age_ns
            for source in self._sources.values()
        )

    def _build(self, pending: _Pending) -> Group | str:
        taken: dict[str, tuple[int, Any]] = {self._reference: (pending.stamp, pending.frame)}
        for name, source in self._sources.items():
            if name == self._reference:
                continue
            if not source.items:
                return f"missing {name}"
            taken[name] = source.nearest(pending.stamp)
            distance = abs(taken[name][0] - pending.stamp)
            if source.items[-1][0] < pending.stamp - source.max_age_ns:
                return _stale(name, pending.stamp - source.items[-1][0])
            if distance > source.max_skew_ns:
                return f"skewed {name}"
        joints: JointSample = taken[JOINTS][1]
        if not pending.instruction:
            return "no instruction"
        return Group(
            stamp_ns=pending.stamp,
            frames={name: taken[name][1] for name in self._config.cameras},
            joints=joints,
            instruction=pending.instruction,
            stamps_ns={name: stamp for name, (stamp, _) in taken.items()},
        )


def _stale(name: str, age_ns: int) -> str:
    return f"stale {name}" + (" (of another clock)" if age_ns > _ANOTHER_CLOCK_NS else "")


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
