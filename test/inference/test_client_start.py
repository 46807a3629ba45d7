# SPDX-License-Identifier: Apache-2.0
"""How the inference worker is started and closed, and what is left of it."""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import closing

import pytest
from support.driving import ANSWER_S, TIMEOUT_S, answer, make, observe
from support.process_life import children_of
from support.waiting import patient, wait_until

from quantvla_ros.errors import BackendError, BundleError


def descriptors():
    return sorted(os.listdir("/proc/self/fd"))


def test_close_leaves_no_process_no_descriptor_and_no_shared_memory(bundle):
    before, segments = descriptors(), set(os.listdir("/dev/shm"))
    for _ in range(2):
        client = make(bundle)
        client.start()
        answer(client, observe())
        pid = client.pid
        made = {name for name in set(os.listdir("/dev/shm")) - segments if "quantvla" in name}
        assert not made
        client.close()
        client.close()
        assert not os.path.exists(f"/proc/{pid}")
        assert client.poll() is None
    assert descriptors() == before


def test_close_during_an_inference_does_not_wait_for_its_end(bundle):
    client = make(bundle)
    client.start()
    pid = client.pid
    client.request(observe("hang"), 1, 0)
    begin = time.monotonic()
    client.close()
    assert time.monotonic() - begin < TIMEOUT_S / 2
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize(
    ("backend", "kind", "text"),
    [
        ("damaged", BundleError, "is damaged"),
        ("broken", BackendError, "RuntimeError: resident all, 1 threads"),
        ("crashing", BackendError, "SIGABRT while it was starting"),
        ("unknown", BackendError, "unknown backend 'unknown'; known here: .*cpu.*hold"),
    ],
)
def test_a_start_that_fails_says_why_and_leaves_nothing(bundle, backend, kind, text):
    before = descriptors()
    client = make(bundle, backend)
    with pytest.raises(kind, match=text):
        client.start()
    assert not client.running
    assert descriptors() == before


def test_a_start_that_takes_too_long_is_given_up(bundle):
    before = descriptors()
    with pytest.raises(BackendError, match=r"not ready within 0\.2 s"):
        make(bundle, "hanging").start(timeout_s=0.2)
    assert descriptors() == before


def test_close_cancels_a_start_in_another_thread(bundle):
    client, errors = make(bundle, "hanging"), []
    before = children_of(os.getpid())  # such as the helper process of another test's worker pool

    def start():
        try:
            client.start()
        except BackendError as error:
            errors.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    wait_until(lambda: children_of(os.getpid()) - before, ANSWER_S, "the worker")
    client.close()
    thread.join(patient(ANSWER_S))
    assert errors == ["the start of the inference worker was cancelled"]
    assert not children_of(os.getpid()) - before


def test_a_client_that_was_closed_does_not_start_any_more(bundle):
    client = make(bundle, "hanging")
    client.close()
    with pytest.raises(BackendError, match="cancelled"):
        client.start()


def test_a_missing_bundle_is_a_bundle_error(tmp_path):
    with pytest.raises(BundleError, match="cannot be read"):
        make(tmp_path / "none").start()


@pytest.mark.parametrize("what", ["os.pipe", "subprocess.Popen", "Pipe"])
def test_a_system_without_descriptors_is_one_sentence_and_leaves_nothing(bundle, monkeypatch, what):
    def refuse(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    before = descriptors()
    name = what if "." in what else f"quantvla_ros.inference.process.{what}"
    with monkeypatch.context() as patch, closing(make(bundle)) as client:
        patch.setattr(name, refuse)
        with pytest.raises(BackendError, match=r"cannot be started .*Too many open files"):
            client.start()
    assert descriptors() == before
