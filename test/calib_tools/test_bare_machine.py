# SPDX-License-Identifier: Apache-2.0
"""The chain of commands on a machine without a home, with one core and an ASCII terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml
from support.process_life import import_path

CHAIN = """
import json, os, sys
from calib_tools.cli import main
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
for words in json.loads(sys.argv[1]):
    sys.argv = ["quantvla", *(os.fsdecode(word.encode()) for word in words)]
    try:
        main()
    except SystemExit as ended:
        print(words[0], "ended with", ended.code or 0)
    sys.stdout.flush()
"""


@pytest.mark.timeout(600)
def test_no_home_one_core_and_a_terminal_that_knows_ascii_alone(
    tmp_path, config, streams, tiny_bundle
):
    world = tmp_path
    (world / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    place = world / "größe"  # a name that such a terminal cannot show
    place.mkdir()
    bag = streams.bag(place / "bag", streams.robot(40))
    commands = [
        ["doctor"],
        ["select", bag, "--config", world / "config.yaml", "--out", place / "buffer",
         "--samples", 32],
        ["quantize", tiny_bundle, place / "buffer", "--out", place / "int8", "--layout", "llm"],
        ["gate", place / "int8", tiny_bundle, place / "buffer", "--write"],
        ["inspect", place / "int8"],
        ["report", place / "int8", "--out", place / "report.html"],
        ["inspect", place / "nothing"],
    ]  # fmt: skip
    (world / "tmp").mkdir()
    kept = {n: v for n, v in os.environ.items() if n not in ("XDG_CACHE_HOME", "ROS_LOG_DIR")}
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", CHAIN, json.dumps([list(map(str, words)) for words in commands])],
        env={**kept, **ascii_alone, "PYTHONPATH": import_path(), "HOME": "/proc/nothing",
             "TMPDIR": str(world / "tmp"), "COLUMNS": "200"},
        capture_output=True,
        check=False,
        timeout=500,
    )  # fmt: skip
    out, said = done.stdout.decode("ascii"), done.stderr.decode("ascii")
    assert "Traceback" not in said and "inside the program" not in said, said
    ends = [line.split(" ended with ") for line in out.splitlines() if " ended with " in line]
    assert [name for name, _ in ends] == [words[0] for words in commands]
    assert [code for _, code in ends[1:]] == ["0"] * 5 + ["1"], said  # doctor's is the machine's
    assert said.splitlines()[-1].startswith("quantvla: ") and "nothing" in said.splitlines()[-1]
    assert ", 1 cores" in out  # of the processor that doctor names
    assert {path.name for path in place.iterdir()} == {"bag", "buffer", "int8", "report.html"}
