# SPDX-License-Identifier: Apache-2.0
"""`python -m studies` lists all studies, and each explains itself without loading torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import studies
from studies.__main__ import STUDIES, about

HELP = """
import contextlib, io, runpy, sys
for name in sys.argv[1:]:
    said = io.StringIO()
    sys.argv = [name, "--help"]
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        runpy.run_module(name, run_name="__main__")
    assert f"python -m {name}" in said.getvalue() and "example" in said.getvalue(), name
print(sorted({"torch", "mujoco", "rclpy", "matplotlib"} & set(sys.modules)))
"""


def test_every_study_has_help_and_an_example_and_loads_nothing_heavy():
    names = [f"studies.{name}" for name in STUDIES]
    ran = subprocess.run([sys.executable, "-c", HELP, *names], capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", ran.stderr


def test_the_list_names_every_study():
    root = Path(studies.__file__).parent
    runnable = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__main__")
        for path in root.rglob("*.py")
        if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    own = {"__main__", "peers.timing", "timing.cameras", "timing.empty_loop", "timing.plain_node"}
    assert runnable - own == set(STUDIES)
    assert all(about(study) for study in STUDIES)
