# SPDX-License-Identifier: Apache-2.0
"""Parts of a session that nothing comes of: no graph, no worker, a clock that the test moves."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
from support.joint_worlds import trained_state

from quantvla_ros.serving.drive import JointAxes
from quantvla_ros.serving.graph import GraphWatches
from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.parameter_model import PolicyNodeParameters
from quantvla_ros.serving.parts import PolicyParts, RobotParts, SessionParts
from quantvla_ros.serving.supervision import tracking_tolerances


class ListDrive(JointAxes):
    """Puts windows into a list; the thread may be put aside by `while_preparing`."""

    grippers = ()

    def __init__(self, limits, observed) -> None:
        super().__init__(limits, tuple(observed))
        self.windows = []
        self.begun = 0
        self.while_preparing = lambda: None

    def begin(self) -> None:
        self.begun += 1

    def prepared(self, window):
        self.while_preparing()
        return lambda: self.windows.append(window)

    def idle(self, now):
        return True


class HandClock:
    """A ROS clock that the test moves, beside the real steady clock."""

    steady = staticmethod(time.monotonic)

    def __init__(self, now: float) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def sleep_until(self, steady: float) -> None:
        time.sleep(max(0.0, steady - time.monotonic()))


def still(**attributes):
    """A watch that finds nothing new."""
    return SimpleNamespace(look=lambda: None, **attributes)


def session_parts(
    drive,
    joints,
    parameters: PolicyNodeParameters | None = None,
    clock=None,
    trained=None,
    tolerances=None,
    worker=None,
    cameras=("front",),
    simulated=False,
    publishers="",
) -> SessionParts:
    """Parts for joints in the bundle's order; whatever is not given is quiet."""
    settings = parameters or PolicyNodeParameters()
    interface = SimpleNamespace(
        cameras=[SimpleNamespace(name=name) for name in cameras],
        action=SimpleNamespace(together=None),
        dt=0.1,
        horizon=16,
    )
    return SessionParts(
        parameters=lambda: settings,
        clock=clock or HandClock(50.0),
        policy=PolicyParts(
            SimpleNamespace(interface=interface, calibration=None),
            trained or trained_state(joints),
            worker
            or SimpleNamespace(poll=lambda: None, busy=False, running=True, close=lambda: None),
        ),
        robot=RobotParts(
            drive,
            tracking_tolerances(drive, {}) if tolerances is None else np.asarray(tolerances),
            SimpleNamespace(disconnect=lambda: None),
            InputBuffer(cameras, joints, settings.gates),
        ),
        graph=GraphWatches(
            still(conflict=None),
            still(simulated=simulated, conflict=None),
            still(text=publishers),
            still(),
        ),
        display=SimpleNamespace(show=lambda *_: None),
    )
