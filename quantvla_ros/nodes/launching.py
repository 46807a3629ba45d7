# SPDX-License-Identifier: Apache-2.0
"""What a launch does when a node ends without which it is of no use."""

from __future__ import annotations

from typing import Any


def end_launch(event: Any, context: Any) -> Any:
    """End the launch with the node; a handler for `OnProcessExit`.

    An exception is the only way to give `ros2 launch` an exit status other than 0.

    Returns:
        The action that ends the launch, None when it ends already.

    Raises:
        RuntimeError: the node ended by itself with a status other than 0.
    """
    if context.is_shutdown:
        return None
    if event.returncode:
        raise RuntimeError(f"{event.process_name} ended with status {event.returncode}")
    from launch.actions import Shutdown

    return Shutdown(reason=f"{event.process_name} has ended")
