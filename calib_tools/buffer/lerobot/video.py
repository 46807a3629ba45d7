# SPDX-License-Identifier: Apache-2.0
"""Frames of mp4 files, read forward: a jump to a frame is not exact in every file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib_tools.buffer.lerobot.layout import EXTRA
from quantvla_ros.errors import QuantVLAError

AV1 = "pip install 'opencv-python>=4.14'"
"""LeRobot writes AV1 by default; older wheels of OpenCV have no decoder of it."""


def _is_av1(file: Path) -> bool:
    """Whether an mp4 says that its pictures are AV1 (the name of its sample entry, `av01`)."""
    try:
        return b"av01" in file.read_bytes()
    except OSError:
        return False


class VideoFrames:
    """The pictures of one camera, from one file after the other."""

    def __init__(self) -> None:
        """Open nothing yet.

        Raises:
            QuantVLAError: OpenCV is not installed.
        """
        try:
            import cv2
        except ImportError as error:
            raise QuantVLAError(
                f"LeRobot data sets need OpenCV for their videos; install it: {EXTRA}"
            ) from error
        self._cv2: Any = cv2
        self._file: Path | None = None
        self._capture: Any = None
        self._next = 0

    def picture(self, file: Path, number: int) -> NDArray[np.uint8]:
        """A frame, uint8 [height, width, 3] in RGB; quick where numbers grow.

        Raises:
            QuantVLAError: the file cannot be decoded here, or ends before.
        """
        if file != self._file or number < self._next:
            self.close()
            self._file, self._capture, self._next = file, self._cv2.VideoCapture(str(file)), 0
        while self._next < number and self._capture.grab():
            self._next += 1
        there, frame = self._capture.read() if self._next == number else (False, None)
        if not there or frame is None:
            newer = (
                f"install an OpenCV that decodes it ({AV1})" if _is_av1(file) else "copy it again"
            )
            raise QuantVLAError(
                f"frame {number} of {file}{' (AV1)' if _is_av1(file) else ''} cannot be decoded "
                f"here; {newer}, or make it H.264: ffmpeg -i OLD -c:v libx264 -crf 18 NEW"
            )
        self._next += 1
        return np.ascontiguousarray(frame[:, :, ::-1])

    def close(self) -> None:
        """Close the file that is open."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None
