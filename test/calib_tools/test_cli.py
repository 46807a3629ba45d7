# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest
import yaml
from typer.testing import CliRunner

from calib_tools.cli import app, main

COMMANDS = [
    "demo",
    "record",
    "select",
    "import",
    "quantize",
    "gate",
    "bench",
    "build",
    "evaluate",
    "report",
    "inspect",
    "check-robot",
    "doctor",
]


def run(*arguments, check=False):
    return subprocess.run(
        [sys.executable, "-m", "calib_tools.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=check,
    )


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys\n"
        "import calib_tools.cli\n"
        "heavy = {'torch', 'mujoco', 'rclpy', 'rosbags', 'numpy', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
    before = computed_s()
    run("--help", check=True)
    assert computed_s() - before < 1.5


def computed_s() -> float:
    """What the children have computed, s; unlike the time they took, no busy machine adds to it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_an_example(command):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"quantvla {command}" in result.stdout


def test_the_commands_are_those_of_the_design():
    names = [c.name or c.callback.__name__.replace("_", "-") for c in app.registered_commands]
    assert sorted(names) == sorted(COMMANDS)


def test_an_error_is_one_sentence_on_stderr(tmp_path):
    result = run("inspect", tmp_path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert str(tmp_path) in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback(tmp_path):
    result = run("--debug", "inspect", tmp_path)
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_an_error_inside_is_no_traceback_either(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["quantvla", "doctor"])
    monkeypatch.setattr("calib_tools.doctor.examine", lambda: 1 / 0)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_select_prints_json_on_stdout_alone(tmp_path, config, streams):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    bag = streams.bag(tmp_path / "bag", streams.robot(36))
    arguments = [bag, "--config", path, "--out", tmp_path / "buffer", "--samples", 32, "--json"]
    result = run("select", *arguments, check=True)
    assert json.loads(result.stdout)["selection"]["kept"] == 32


def test_select_prints_a_table(tmp_path, config, streams):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    bag = streams.bag(tmp_path / "bag", streams.robot(36))
    out = tmp_path / "[red] [" / "b]"  # what rich would take for markup
    result = run("select", bag, "--config", path, "--out", out, "--samples", 32)
    assert result.returncode == 0
    assert "samples kept" in result.stdout
    assert "[red][/b]" in "".join(result.stdout.split())
