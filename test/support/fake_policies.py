# SPDX-License-Identifier: Apache-2.0
"""Policies for a real inference process; a file tells them, while they run, how to behave."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
from support.scripted_backend import ScriptedBackend
from support.worker_damage import damage_memory, damage_pipe

from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.robot.chunk import Chunk

MODE_VARIABLE = "FAKE_POLICY_MODE"
AMPLITUDE, FREQUENCY = 0.4, 0.9
CRUISE = (0.06, 0.0, 0.08, 0.0, 0.0, 0.4)


class FakePolicy:
    """Swings all joints as a function of time, mirrored by the instruction 'left'."""

    kernel = "fake"
    integer_layers = 0

    def __init__(self, path):
        self.manifest = load_manifest(path)

    def infer(self, observation, noise, prefix=None):
        mode = Path(os.environ[MODE_VARIABLE]).read_text()
        if mode == "slow":
            time.sleep(0.4)
        elif mode == "hang":
            time.sleep(600)
        elif mode == "raise":
            raise RuntimeError("the fake policy was told to raise")
        elif mode == "memory":
            raise MemoryError
        elif mode == "garbage":
            damage_memory()
        elif mode == "noise":
            damage_pipe()
        elif mode == "burn":
            end = time.perf_counter() + 0.2
            while time.perf_counter() < end:
                np.linalg.svd(np.ones((60, 60)))
        actions = self.actions(observation)
        if mode == "outside":
            actions += 2.5
        if mode == "nan":
            actions[3, 1] = np.nan
        # An "old" chunk is one that took longer than it lasts.
        stamp = observation.stamp - 10.0 if mode == "old" else observation.stamp
        return Chunk(actions, stamp, {"denoise": 1.0}, (0.4, 0.6))

    def actions(self, observation):
        interface = self.manifest.interface
        due = observation.stamp + interface.dt * np.arange(1, interface.horizon + 1)
        sign = -1.0 if observation.instruction == "left" else 1.0
        swing = sign * AMPLITUDE * np.sin(FREQUENCY * due)
        return np.repeat(swing[:, None], len(interface.action.names), axis=1)

    def weight_bytes(self):
        return 0


@ScriptedBackend
def swinging(path, options):
    return FakePolicy(path)


@ScriptedBackend
def dying(path, options):
    os.kill(os.getpid(), signal.SIGKILL)


@ScriptedBackend
def slow_start(path, options):
    time.sleep(600)


class LiftingPolicy(FakePolicy):
    """Of kind `ee_delta`: the tip goes up by 0.06 m/s and the finger to 0.02 m."""

    def infer(self, observation, noise, prefix=None):
        actions = np.zeros((self.manifest.interface.horizon, 7))
        actions[:, 2], actions[:, 6] = 0.06, 0.02
        return Chunk(actions, observation.stamp, {"denoise": 1.0})


@ScriptedBackend
def lifting(path, options):
    return LiftingPolicy(path)


class CruisingPolicy(FakePolicy):
    """Of kind `ee_delta`: the tip goes and turns evenly, and the finger goes to 0.5 rad."""

    def actions(self, observation):
        return np.tile([*CRUISE, 0.5], (self.manifest.interface.horizon, 1))


@ScriptedBackend
def cruising(path, options):
    return CruisingPolicy(path)


class TypicalPolicy(FakePolicy):
    """Puts out the mean of its training data, whatever kind its actions are of."""

    def infer(self, observation, noise, prefix=None):
        values = np.array(self.manifest.normalization.action_mean)
        actions = self.manifest.interface.chunk(values, observation.joints)
        return Chunk(actions, observation.stamp, {"denoise": 1.0})


@ScriptedBackend
def typical(path, options):
    return TypicalPolicy(path)
