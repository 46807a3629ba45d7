# SPDX-License-Identifier: Apache-2.0
"""Action chunks of a recorded episode."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.data.schema import HORIZON


def episode_chunks(
    actions: npt.NDArray[np.float32], events: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Cut an episode's actions into one chunk a frame.

    Args:
        actions: clean action of each frame [T, 8].
        events: [T], True where what follows is no consequence of earlier labels.

    Returns:
        chunk [T, 16, 8]: the actions from this frame on; past the end the last one repeats.
        valid [T, 16]: False from the first event after the chunk's first step.
    """
    count = len(actions)
    index = np.minimum(np.arange(count)[:, None] + np.arange(HORIZON), count - 1)
    event = events[index]
    event[:, 0] = False
    return actions[index], np.cumsum(event, axis=1) == 0
