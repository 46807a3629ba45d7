# SPDX-License-Identifier: Apache-2.0
"""Ages of the inputs: a source that falls silent is a named fault."""

from __future__ import annotations

from collections.abc import Mapping

from quantvla_ros.control.faults import FaultCode


class Watchdog:
    """Age limits (s) for each camera and for the joint states."""

    def __init__(self, cameras: Mapping[str, float], joint_state_s: float) -> None:
        """Take the oldest age allowed of each camera, by name, and of the joint states."""
        self._limits = {
            "joint_states": (joint_state_s, FaultCode.STALE_JOINT_STATE, "joint states"),
            **{
                f"camera:{name}": (limit, FaultCode.STALE_CAMERA, f"camera '{name}'")
                for name, limit in cameras.items()
            },
        }
        self._seen: dict[str, float] = {}
        self._since = 0.0

    def start(self, now: float) -> None:
        """Count ages from ``now`` on for sources that send nothing at all."""
        self._since = now
        self._seen.clear()

    def saw_camera(self, name: str, stamp: float) -> None:
        """Note an image by the stamp it carries (s); an older one than the last counts for nothing.

        Raises:
            KeyError: the watchdog was not told of this camera.
        """
        self._saw(f"camera:{name}", stamp)

    def saw_joint_state(self, stamp: float) -> None:
        """Note a joint state by the stamp it carries (s)."""
        self._saw("joint_states", stamp)

    def ages(self, now: float) -> dict[str, float]:
        """Age in s of every source's newest message; keys 'joint_states' and 'camera:NAME'."""
        return {key: now - self._seen.get(key, self._since) for key in self._limits}

    def check(self, now: float) -> list[tuple[FaultCode, str]]:
        """Each stale source as a fault code and a sentence; empty when all are fresh."""
        stale = []
        for key, age in self.ages(now).items():
            limit, code, what = self._limits[key]
            if age > limit:
                never = "" if key in self._seen else " (none has ever arrived)"
                stale.append(
                    (code, f"no {what} message for {age:.2f} s{never}, the limit is {limit:.2f} s")
                )
        return stale

    def _saw(self, key: str, stamp: float) -> None:
        """Keep the newest stamp."""
        if key not in self._limits:
            raise KeyError(key)
        self._seen[key] = max(self._seen.get(key, stamp), stamp)
