# SPDX-License-Identifier: Apache-2.0
"""Where ROS writes its logs: it does not start where it cannot."""

from __future__ import annotations

import os
from pathlib import Path

from quantvla_ros.cache_directory import cache_directory, why_unusable
from quantvla_ros.errors import QuantVLAError

_LOGS, _HOME = "ROS_LOG_DIR", "ROS_HOME"


def use_log_directory() -> None:
    """See to it that ROS has a folder for its logs, before the first context is made.

    Where there is no home, or none that can be written, as in many containers and services, the
    logs go where this package keeps files.

    Raises:
        QuantVLAError: the folder that ROS_LOG_DIR or ROS_HOME names cannot be used.
    """
    named = os.environ.get(_LOGS) or os.environ.get(_HOME, "")
    folder = Path(os.path.expanduser(named or "~/.ros"))
    if not os.environ.get(_LOGS):
        folder /= "log"
    why = why_unusable(folder) if folder.is_absolute() or named else "has no home"
    if why and named:
        variable = _LOGS if os.environ.get(_LOGS) else _HOME
        raise QuantVLAError(
            f"ROS cannot keep its logs: '{folder}' {why}; set {variable} to another folder, or "
            "unset it."
        )
    if why:
        os.environ[_LOGS] = str(cache_directory("ros_logs"))
