# SPDX-License-Identifier: Apache-2.0
"""A client of a fake policy in a real worker process; import it as `inference.driving`."""

from __future__ import annotations

import numpy as np
from support.waiting import wait_until

from quantvla_ros.inference.client import InferenceClient
from quantvla_ros.robot.observation import Observation

ANSWER_S = 10.0  # on an idle machine
TIMEOUT_S = 200.0  # the client's own: whatever comes sooner has not come by it


def make(bundle, backend="hold", timeout_s=TIMEOUT_S):
    return InferenceClient(bundle, backend, 1, timeout_s)


def observe(instruction="hold", value=0.25):
    return Observation(
        images={"front": np.full((6, 8, 3), 3, np.uint8)},
        joints=np.array([value, 0.02], np.float32),
        instruction=instruction,
        stamp=42.5,
    )


def answer(client, observation, seed=1, counter=0):
    client.request(observation, seed, counter)
    return next_result(client)


def next_result(client):
    return wait_until(client.poll, ANSWER_S, "a result")
