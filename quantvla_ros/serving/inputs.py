# SPDX-License-Identifier: Apache-2.0
"""Where an `InputBuffer` is filled from, as a node or a simulation does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.serving.input_types import Frame, JointSample


class Inputs(Protocol):
    """Cameras, joint states and instruction of a session.

    Attributes:
        on_joints: called with every joint state that is complete.
        on_instruction: called when the instruction has changed.
    """

    on_joints: Callable[[JointSample], None]
    on_instruction: Callable[[], None]

    def decode(self, camera: str, frame: Frame) -> NDArray[np.uint8]:
        """Return the picture of a camera's frame, uint8 [height, width, 3] rgb8.

        Raises:
            QuantVLAError: it is none, with the reason.
        """
        ...

    def instruct(self, text: str) -> None:
        """Take an instruction; the newest one counts, wherever it comes from."""
        ...

    def disconnect(self) -> None:
        """Drop what arrives from now on."""
        ...


class InputTopics(Protocol):
    """Which topics the inputs come from, and who publishes there."""

    def look(self) -> None:
        """Query the graph again."""
        ...

    def topic(self, source: str) -> str:
        """Full name of the topic of a camera, of joint_states or of robot_description."""
        ...

    def nothing_arrived(self, source: str, seconds: float) -> str:
        """Say that nothing came from a source for so long (s), and what the graph shows of it."""
        ...


class StartingInputs(Inputs, Protocol):
    """What `configure` asks of the inputs beside that."""

    robot_description: str | None
    joint_topic: str

    @property
    def graph(self) -> InputTopics:
        """Of all topics."""
        ...

    def wait(self, timeout_s: float) -> None:
        """Wait until any input arrives, at most so long."""
        ...

    def camera_topic(self, camera: str) -> str:
        """Return the full topic name of a camera."""
        ...
