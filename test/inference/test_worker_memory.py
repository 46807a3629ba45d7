# SPDX-License-Identifier: Apache-2.0
"""A worker to which the system gives no more memory: told in one sentence, and left behind."""

from __future__ import annotations

from contextlib import closing

import pytest
from support.driving import answer, make, observe
from support.example_bundle import write_example

from quantvla_ros.inference.client import ChunkResult, Failure


@pytest.mark.parametrize("instruction", ["block", "crumbs"])  # too much at once, and at last
def test_a_worker_out_of_memory_is_one_sentence_and_the_next_start_works(tmp_path, instruction):
    with closing(make(write_example(tmp_path / "bundle"))) as client:
        client.start()
        assert isinstance(answer(client, observe()), ChunkResult)
        result = answer(client, observe(instruction), counter=1)
        assert isinstance(result, Failure) and result.code == "BACKEND_ERROR"
        assert result.text.startswith("the backend raised MemoryError: ")
        assert "\n" not in result.text
        first = client.pid
        client.start()
        assert client.pid != first
        assert isinstance(answer(client, observe(), counter=2), ChunkResult)
