# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing

import pytest
from support.driving import answer, make, observe
from support.example_bundle import write_example
from support.process_life import alive, import_path
from support.waiting import patient, wait_until

from quantvla_ros.serving.realtime import take_priority

DEADLINE_S = 10.0

# Starts a worker, asks for a chunk, prints the worker's pid and waits to be killed.
NODE = """
import sys, threading
from support.driving import answer, make, observe
client = make(sys.argv[1])
client.start()
answer(client, observe())
if sys.argv[2] != "idle":
    client.request(observe(sys.argv[2]), 1, 1)
print(client.pid, flush=True)
threading.Event().wait()
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_example(tmp_path_factory.mktemp("worker") / "bundle")


def start_node(bundle, instruction):
    return subprocess.Popen(
        [sys.executable, "-c", NODE, str(bundle), instruction],
        env={**os.environ, "PYTHONPATH": import_path()},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("instruction", ["idle", "hang"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_worker_ends_with_its_node(bundle, instruction, number):
    with start_node(bundle, instruction) as node:
        worker = int(node.stdout.readline())
        assert alive(worker)
        node.send_signal(number)
        node.wait(patient(DEADLINE_S))
        wait_until(lambda: not alive(worker), DEADLINE_S, "the end of the worker")


def test_the_worker_is_nice_has_its_threads_and_no_ros(bundle):
    with closing(make(bundle, "process")) as client:
        client.start()
        (niceness, threads), (ros, torch) = answer(client, observe()).chunk.actions[:2].tolist()
    assert niceness == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)
    assert threads == 1
    assert not ros
    assert not torch  # only a backend that needs it loads it


def test_a_node_with_real_time_priority_does_not_hand_it_on(bundle):
    if not take_priority(1):
        pytest.skip("this system grants no real-time priority")
    try:
        with closing(make(bundle)) as client:
            client.start()
            assert os.sched_getscheduler(client.pid) == os.SCHED_OTHER
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.mark.parametrize("bootstrapped", [True, False])
def test_it_starts_with_and_without_the_environment_of_the_ros_wheels(
    bundle, monkeypatch, bootstrapped
):
    if bootstrapped:
        monkeypatch.setenv("_ROS_WHEELS_BOOTSTRAP_COMPLETE", "1")
    else:  # the start-up file then runs the new interpreter once more
        monkeypatch.delenv("_ROS_WHEELS_BOOTSTRAP_COMPLETE", raising=False)
        monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    with closing(make(bundle)) as client:
        client.start()
        assert answer(client, observe()).chunk.stamp == 42.5


# Ends before the worker has asked to be told of that: nothing else holds the pipe's other end.
GONE = """
import os, sys, time
from quantvla_ros.inference.worker import end_with
life, theirs = os.pipe()
node, child = os.getpid(), os.fork()
if child:
    print(child, flush=True)
    os._exit(0)
os.close(theirs)
os.setsid()
while os.getppid() == node:
    time.sleep(0.01)
end_with(life)
time.sleep(600)
"""


def test_a_worker_whose_node_ended_while_it_started_ends_too():
    done = subprocess.run(
        [sys.executable, "-c", GONE], capture_output=True, text=True, check=True,
        timeout=patient(DEADLINE_S),
    )  # fmt: skip
    worker = int(done.stdout)
    wait_until(lambda: not alive(worker), DEADLINE_S, "the end of the worker")


# A worker with a child of its own, as a compiler is; the node's end of the pipe closes at the end.
FAMILY = """
import os, subprocess, sys, time
from quantvla_ros.inference.worker import end_with
life, theirs = os.pipe()
begun, begin = os.pipe()
worker = os.fork()
if not worker:
    os.close(theirs)
    os.setsid()
    end_with(life)
    compiler = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
    print(os.getpid(), compiler.pid, flush=True)
    os.write(begin, b"1")
    time.sleep(600)
os.read(begun, 1)
os._exit(0)
"""


def test_what_a_worker_started_ends_with_the_node():
    done = subprocess.run(
        [sys.executable, "-c", FAMILY], capture_output=True, text=True, check=True,
        timeout=patient(DEADLINE_S),
    )  # fmt: skip
    worker, compiler = map(int, done.stdout.split())
    for process in (worker, compiler):
        wait_until(lambda process=process: not alive(process), DEADLINE_S, "the end of all")
