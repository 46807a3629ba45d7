# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from support.waiting import patient

PROGRAM = """
import os
import signal
import sys
import threading
import time
from rclpy.node import Node
from std_msgs.msg import String
from quantvla_ros.nodes.runtime import Runtime

class Fragile(Node):
    def __init__(self):
        super().__init__("fragile")
        if "idle" not in sys.argv:
            self.create_timer(0.01, self.work)
    def work(self):
        if "raise" in sys.argv:
            raise RuntimeError("a callback failed")

with Runtime([]) as runtime:
    runtime.spin(Fragile())
    print("ready", flush=True)
    started = time.monotonic()
    if "thread" in sys.argv:
        threading.Timer(0.2, lambda: signal.pthread_kill(threading.get_ident(), 15)).start()
    runtime.wait(300.0)
    print("waited" if time.monotonic() - started < 200 else "slept through", runtime.stopping)
os.kill(os.getpid(), signal.SIGINT)
print("left")
"""


def start(*arguments, hangup=signal.SIG_DFL):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, hangup),
    )


@pytest.mark.parametrize("work", ["busy", "idle"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_wait_and_everything_is_shut_down_in_order(number, work):
    process = start(work)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=patient(20))
    assert out == "waited True\nleft\n"
    assert (process.returncode, err) == (0, "")


def test_a_signal_that_another_thread_got_ends_the_wait():
    process = start("idle", "thread")
    out, err = process.communicate(timeout=patient(20))
    assert (out, err) == ("ready\nwaited True\nleft\n", "")


def test_a_hangup_that_nohup_had_ignored_stays_ignored():
    process = start("idle", hangup=signal.SIG_IGN)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=patient(20))[0] == "waited True\nleft\n"


def test_a_callback_that_raises_ends_the_process_with_its_error():
    process = start("raise")
    out, err = process.communicate(timeout=patient(20))
    assert "left" not in out
    assert process.returncode == 1
    assert "a callback failed" in err


@pytest.mark.parametrize("module", ["quantvla_ros.nodes.policy_node", "simulation.ros.robot_node"])
@pytest.mark.parametrize("content", ["a: [1,", "/**:\n  ros__parameters: {a: *x}\n", None])
def test_parameter_file_that_cannot_be_read_is_one_sentence(tmp_path, module, content):
    file = tmp_path / "parameters.yaml"
    if content is not None:
        file.write_text(content)
    ended = subprocess.run(
        [sys.executable, "-m", module, "--ros-args", "--params-file", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    said = [line for line in ended.stderr.splitlines() if "[rcl]" not in line]
    assert len(said) == 1, ended.stderr
    assert f"The parameter file {file} cannot be read: " in said[0]
    assert "/src/" not in said[0]


GROWTH = """
import gc
import sys
import time
from types import FunctionType
from quantvla_ros.nodes.executor import PatientExecutor
from rclpy.node import Node
from quantvla_ros.nodes.runtime import Runtime

turns = []

def functions():
    gc.collect()
    return sum(isinstance(thing, FunctionType) for thing in gc.get_objects())

with Runtime([]) as runtime:
    node = Node("busy")
    node.create_timer(0.002, lambda: turns.append(0))
    runtime.spin(node, PatientExecutor(threads=2))
    time.sleep(0.5)
    before, begun = functions(), len(turns)
    while len(turns) < begun + 300:
        time.sleep(0.05)
    print(functions() - before)
"""


def test_turns_of_the_executor_leave_nothing_behind():
    """rclpy's spin_until_future_complete leaves a closure at every turn, for as long as it runs."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True
    )
    assert abs(int(done.stdout)) < 30
