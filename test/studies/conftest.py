# SPDX-License-Identifier: Apache-2.0
from support.calibration import config, fresh_buffers, streams, tiny_buffer, tiny_bundle  # noqa: F401
from support.play_here import measured_here  # noqa: F401
