# SPDX-License-Identifier: Apache-2.0
"""Whether the cameras show what the policy was calibrated on."""

from __future__ import annotations

from collections.abc import Callable

from quantvla_ros.bundle.calibration import Calibration
from quantvla_ros.processing.pictures import Picture, unlike


class PictureWatch:
    """Holds what was strange in the newest picture of each camera."""

    def __init__(self, calibration: Calibration | None, mode: Callable[[], str]) -> None:
        """Take what the bundle knows of its cameras, if anything.

        Args:
            calibration: of the bundle.
            mode: the parameter `camera_check`: ``enforce``, ``warn`` or ``ignore``.
        """
        self._statistics = dict(calibration.cameras) if calibration else {}
        self._mode = mode
        self._strange: dict[str, str] = {}

    @property
    def watches(self) -> bool:
        """Whether pictures are compared at all."""
        return bool(self._statistics) and self._mode() != "ignore"

    def note(self, camera: str, picture: Picture) -> None:
        """Compare a picture of a camera."""
        known = self._statistics.get(camera)
        if known is not None and self.watches:
            self._strange[camera] = unlike(known, picture)

    @property
    def warning(self) -> str:
        """Name the first camera that is not as it was calibrated, and how it differs."""
        if self.watches:
            for camera, text in self._strange.items():
                if text:
                    return (
                        f"camera '{camera}' does not show what the policy was calibrated on: {text}"
                    )
        return ""

    @property
    def refusal(self) -> str:
        """Why the arm must not be armed; empty when it may."""
        if not self.warning or self._mode() != "enforce":
            return ""
        return f"{self.warning}; look at the camera and its topic, or set 'camera_check' to warn"
