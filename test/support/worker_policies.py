# SPDX-License-Identifier: Apache-2.0
"""Policies for a real worker process that answer at once or fail on demand.

Each is a backend, for a worker with test/ on its import path (see `scripted_backend`).
They hold every joint where the observation has it; the instruction says what goes wrong:
"nan", "slow", "hang", "raise", "exit", "shape", "garbage" (something else is in the shared memory),
"noise" (bytes that are no message), "block" and "crumbs" (no memory is left); anything else is
answered.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np
from support.scripted_backend import ScriptedBackend
from support.worker_damage import damage_memory, damage_pipe, run_out_of_memory

from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import BackendError, BundleError
from quantvla_ros.robot.chunk import Chunk

SLOW_S = 0.3


class HoldingPolicy:
    kernel = "fake"
    integer_layers = 0

    def __init__(self, path):
        self.manifest = load_manifest(path)

    def weight_bytes(self):
        return 123

    def infer(self, observation, noise, prefix=None):
        words = observation.instruction.split()
        if "raise" in words:
            raise ValueError("the disk is full\nand more")
        if "refuse" in words:
            raise BackendError("this kernel does not run here")
        if "exit" in words:
            os._exit(3)
        if "hang" in words:
            while True:
                time.sleep(60)
        if "slow" in words:
            time.sleep(SLOW_S)
        if "garbage" in words:
            damage_memory()
        if "noise" in words:
            damage_pipe()
        if "block" in words:
            run_out_of_memory(256 << 20)
        if "crumbs" in words:
            run_out_of_memory(64)
        actions = self.chunk(observation, noise)
        if prefix is not None:
            actions[: prefix.committed] = prefix.actions[: prefix.committed]
        if "nan" in words:
            actions[-1, 0] = np.nan
        if "shape" in words:
            actions = actions[:-1]
        return Chunk(actions, observation.stamp, {"encode": 1.0, "denoise": 2.0}, (0.5, 1.5))

    def chunk(self, observation, noise):
        """Absolute positions [horizon, actions]."""
        state = self.manifest.interface.state.names
        index = [state.index(name) for name in self.manifest.interface.action.names]
        rows = np.asarray(observation.joints, float)[index]
        return np.repeat(rows[None], self.manifest.interface.horizon, axis=0)


class EchoPolicy(HoldingPolicy):
    """Puts what it got into the chunk, for the tests of the channel."""

    def chunk(self, observation, noise):
        actions = noise.astype(float)
        actions[0, 0] = sum(int(image.sum()) for image in observation.images.values())
        actions[1] = observation.joints[: actions.shape[1]]
        actions[2, 0] = len(observation.instruction)
        return actions


class ProcessPolicy(HoldingPolicy):
    """Tells about its process: niceness, threads, whether ROS is loaded."""

    def chunk(self, observation, noise):
        actions = np.zeros(noise.shape)
        actions[0] = os.getpriority(os.PRIO_PROCESS, 0), int(os.environ["OMP_NUM_THREADS"])
        actions[1] = "rclpy" in sys.modules, "torch" in sys.modules
        return actions


@ScriptedBackend
def hold(path, options):
    return HoldingPolicy(path)


@ScriptedBackend
def echo(path, options):
    return EchoPolicy(path)


@ScriptedBackend
def process(path, options):
    return ProcessPolicy(path)


@ScriptedBackend
def damaged(path, options):
    raise BundleError(f"{path} is damaged")


@ScriptedBackend
def broken(path, options):
    raise RuntimeError(f"resident {options.resident}, {options.threads} threads")


@ScriptedBackend
def hanging(path, options):
    while True:
        time.sleep(60)


@ScriptedBackend
def crashing(path, options):
    os.abort()
