# SPDX-License-Identifier: Apache-2.0
"""Every command on machines where something is wrong: one sentence before the work, or it works.

Inputs that do not exist show that a refusal came first: a command that had begun would name them.
"""

from __future__ import annotations

import functools
import importlib
import resource
import shutil
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from calib_tools.cli import main

STUDIES = {"bench-schemes": "studies.scheme_bench", "ablate": "studies.ablation"}
COMMANDS = {
    "record": "record --config {config} --out {out}",
    "select": "select nothing --config {config} --out {out}",
    "quantize": "quantize nothing nothing --out {out}",
    "gate": "gate {out} nothing nothing --write",
    "bench": "bench nothing --against nothing --buffer nothing --out {out}",
    "bench-schemes": "bench-schemes nothing nothing --out {out}",
    "ablate": "ablate nothing nothing --out {out}",
    "evaluate": "evaluate nothing --out {out}",
    "report": "report nothing --out {out}",
    "demo": "demo --policy nothing --out {out}",
}
MODULES = {
    "studies.fault_study.__main__": "--out {out}",
    "studies.timing.__main__": "soak --bundle nothing --out {out}",
    "studies.fuzz.__main__": "--out {out}",
    "studies.experts": "--out {out}",
}


@pytest.fixture
def refused(monkeypatch, capsys) -> Callable[..., str]:
    """Run something that must refuse; return its one sentence."""

    def run(command: Callable[[], object], *words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["quantvla", *map(str, words)])
        if words and words[0] in STUDIES:
            study = importlib.import_module(f"{STUDIES[words[0]]}.__main__")
            command = functools.partial(study.main, sys.argv[2:])
        with pytest.raises(SystemExit) as ended:
            command()
        assert ended.value.code == 1
        said = capsys.readouterr().err
        assert "Traceback" not in said and "inside the program" not in said
        lines = [line for line in said.splitlines() if ": " in line and "%" not in line]
        assert len(lines) == 1, said
        return lines[0]

    return run


@pytest.fixture
def world(tmp_path, config) -> Path:
    """A directory with a configuration, which is all there is."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    (tmp_path / "file").write_text("")
    return tmp_path


def words(template: str, world: Path, out: str | Path) -> list[str]:
    return [word.format(config=world / "config.yaml", out=out) for word in template.split()]


def left(world: Path) -> set[str]:
    return {path.name for path in world.iterdir()}


@pytest.mark.parametrize("place", ["{world}/file/out", "/proc/nothing/out"])
@pytest.mark.parametrize("name", COMMANDS)
def test_an_output_that_cannot_be_written(world, refused, name, place):
    out = place.format(world=world)
    said = refused(main, *words(COMMANDS[name], world, out))
    program = STUDIES.get(name, "quantvla").rpartition(".")[2]
    assert said.startswith(f"{program}: '{out}") and "cannot be written (" in said
    assert left(world) == {"config.yaml", "file"}


@pytest.mark.parametrize("module", MODULES)
def test_a_study_whose_record_cannot_be_written(world, refused, module, monkeypatch):
    monkeypatch.chdir(world)
    command = importlib.import_module(module).main
    arguments = words(MODULES[module], world, world / "file/out.json")
    assert "out.json' cannot be written (" in refused(lambda: command(arguments))
    assert left(world) == {"config.yaml", "file"}


@contextmanager
def no_file_larger_than(size: int):
    """A disk that is full from there on, as far as this process can tell."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "gate"])
def test_a_disk_that_is_full(world, refused, name):
    with no_file_larger_than(0):
        said = refused(main, *words(COMMANDS[name], world, world / "a/out"))
    assert f"'{world / 'a/out'}" in said and "File too large" in said
    assert left(world) == {"config.yaml", "file"}


def test_a_disk_that_fills_up_while_a_buffer_is_written(world, refused, streams):
    bag = streams.bag(world / "bag", streams.robot(40))
    with no_file_larger_than(20_000):
        said = refused(
            main, "select", bag, "--config", world / "config.yaml", "--out", world / "out",
            "--samples", 32,
        )  # fmt: skip
    assert "disk" in said and "full" in said
    assert left(world) == {"config.yaml", "file", "bag"}


def test_a_disk_that_fills_up_while_a_bundle_is_written(world, refused, tiny_bundle, tiny_buffer):
    from quantvla_ros.backends.cpu.engine.library import load_engine

    load_engine()  # what is built here is no matter of this test
    with no_file_larger_than(20_000):
        said = refused(main, "quantize", tiny_bundle, tiny_buffer, "--out", world / "out",
                       "--rounding", "rtn", "--layout", "llm")  # fmt: skip
    assert "disk" in said and "full" in said
    assert left(world) == {"config.yaml", "file"}


def test_no_engine_and_no_compiler(world, refused, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("PATH", str(world))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    said = refused(main, "bench", "nothing", "--against", "nothing", "--buffer", "nothing")
    assert "no C compiler" in said and "apt install" in said
    assert left(world) == {"config.yaml", "file"}


def cut(path: Path) -> None:
    """As a copy that was broken off."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("file", ["bundle.yaml", "weights.safetensors", "tokenizer.json"])
@pytest.mark.parametrize(
    "name", ["quantize", "gate", "bench", "ablate", "evaluate", "inspect", "demo"]
)
def test_a_bundle_with_a_cut_file(world, refused, tiny_bundle, tiny_buffer, name, file):
    bundle = shutil.copytree(tiny_bundle, world / "bundle")
    cut(bundle / file)
    arguments = {
        "quantize": [bundle, tiny_buffer, "--out", world / "out"],
        "gate": [bundle, tiny_bundle, tiny_buffer],
        "bench": [tiny_bundle, "--against", bundle, "--buffer", tiny_buffer],
        "ablate": [bundle, tiny_buffer, "--out", world / "out"],
        "evaluate": [bundle, "--out", world / "out"],
        "inspect": [bundle],
        "demo": ["--policy", bundle, "--out", world / "out"],
    }[name]
    assert file in refused(main, name, *arguments)
    assert left(world) == {"config.yaml", "file", "bundle"}


@pytest.mark.parametrize("file", ["buffer.yaml", "metadata.yaml", "samples.mcap"])
@pytest.mark.parametrize("name", ["quantize", "gate", "bench", "ablate", "select"])
def test_a_buffer_with_a_cut_file(world, refused, tiny_bundle, tiny_buffer, name, file):
    buffer = shutil.copytree(tiny_buffer, world / "buffer")
    cut(buffer / file)
    if name == "select":
        (buffer / "buffer.yaml").unlink()
    arguments = {
        "quantize": [tiny_bundle, buffer, "--out", world / "out"],
        "gate": [tiny_bundle, tiny_bundle, buffer],
        "bench": [tiny_bundle, "--against", tiny_bundle, "--buffer", buffer],
        "ablate": [tiny_bundle, buffer, "--out", world / "out"],
        "select": [buffer, "--config", world / "config.yaml", "--out", world / "out"],
    }[name]
    assert str(buffer) in refused(main, name, *arguments)
    assert left(world) == {"config.yaml", "file", "buffer"}


@pytest.mark.parametrize("name", ["bench-schemes", "ablate"])
def test_a_plan_that_was_cut(world, refused, tiny_bundle, tiny_buffer, name):
    (world / "out").mkdir()
    (world / "out" / "plan.json").write_text('{"kind": ')
    more = ["--episodes", 0] if name == "ablate" else []
    said = refused(main, name, tiny_bundle, tiny_buffer, "--out", world / "out", *more)
    assert "plan.json' cannot be read" in said and "remove the file" in said


HOUR = 3600 * 10**9


def restamped(message, change):
    """The message with another stamp in its header; an instruction has none."""
    from dataclasses import replace

    from calib_tools.buffer import messages

    decoded = messages.decode(message)
    if not hasattr(decoded, "header"):
        return message
    stamp = decoded.header.stamp
    stamp.sec, stamp.nanosec = divmod(change(stamp.sec * 10**9 + stamp.nanosec), 10**9)
    return replace(message, data=messages.serialize(decoded, message.msgtype))


@pytest.mark.parametrize(
    ("stamps", "said"),
    [
        ("zero", "no stamp front: 40"),
        ("an hour apart", "stale front (of another clock): 40"),
    ],
)
def test_stamps_that_cannot_be_compared(world, refused, streams, stamps, said):
    frames = streams.robot(40)
    if stamps == "zero":
        bag = [restamped(m, lambda ns: 0) for m in frames]
    else:
        bag = [restamped(m, lambda ns: ns + HOUR) if "joint" in m.topic else m for m in frames]
    path = streams.bag(world / "bag", bag)
    sentence = refused(
        main, "select", path, "--config", world / "config.yaml", "--out", world / "out",
        "--samples", 32,
    )  # fmt: skip
    assert said in sentence
    assert left(world) == {"config.yaml", "file", "bag"}
