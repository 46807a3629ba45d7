# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.serving.record import KEEP, NodeRecord
from quantvla_ros.serving.ring import Ring


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8, 11])
def test_the_last_numbers_come_oldest_first(count):
    ring = Ring(4)
    for number in range(count):
        ring.append(number)
    assert ring.values().tolist() == list(range(count))[-4:]


def test_values_are_a_copy():
    ring = Ring(2)
    ring.append(1.0)
    ring.values()[0] = 9.0
    assert ring.values().tolist() == [1.0]


def test_memory_of_a_record_does_not_grow_with_the_run():
    import tracemalloc

    record = NodeRecord(0.01)

    def tick(first, count):
        for number in range(first, first + count):
            record.note_publish(0.01 * number)
            record.note_stage("splice", 0.1)
            record.note_inference(0.02, {"denoise": 20.0})

    tick(0, 1000)  # the recent ones are full
    tracemalloc.start()
    tick(1000, KEEP)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000
    assert len(record.as_dict()["publish_intervals_ms"]) == KEEP
