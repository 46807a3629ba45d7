# SPDX-License-Identifier: Apache-2.0
"""A quantization that is stopped goes on and ends with the same bytes."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.play_here import play_here
from support.tiny_policy import observations, save_tiny_bundle
from support.waiting import wait_until

from calib_tools.common.pool import play_in_processes
from calib_tools.quantize import measuring, rounding_stage
from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from calib_tools.quantize.work_directory import WorkDirectory
from quantvla_ros.errors import QuantVLAError

SAMPLES = observations(24)
FILES = ("weights.safetensors", "bundle.yaml", "tokenizer.json", "layers.json")


def quantize(path, out, recipe, progress=lambda text, done: None):
    """For the yardstick, which loads at once."""
    data = Samples(SAMPLES[:14], SAMPLES[14:], "0" * 64)
    recipe = replace(recipe, target="reference")
    return quantize_bundle(path, data, recipe, out, False, None, progress)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("bundles") / "float")


@pytest.fixture(scope="module")
def undisturbed(path, measured_here):
    """Makes the bundle of a recipe without a stop, once, in this process alone."""

    @functools.cache
    def made(recipe):
        out = path.parent / str(len(list(path.parent.iterdir())))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(measuring, "play_in_processes", play_here)
            return quantize(path, out, recipe).path

    return made


@pytest.mark.parametrize("sequential", [False, True])
def test_after_ctrl_c_finished_layers_are_not_done_again(
    path, undisturbed, tmp_path, monkeypatch, sequential
):
    recipe = Recipe(scheme="w4a8", sequential=sequential)
    whole = undisturbed(recipe)
    rounded = []
    real = rounding_stage.round_layer

    def counted(name, *rest):
        if len(rounded) == 9:
            raise KeyboardInterrupt
        rounded.append(name)
        return real(name, *rest)

    monkeypatch.setattr(rounding_stage, "round_layer", counted)
    with pytest.raises(KeyboardInterrupt):
        quantize(path, tmp_path / "out", recipe)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(
        rounding_stage, "round_layer", lambda n, *r: rounded.append(n) or real(n, *r)
    )
    quantize(path, tmp_path / "out", recipe)
    assert len(rounded) == len(set(rounded)) == 20
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"out"}


def stop_at(count, counted):
    """Progress that ends a quantization, once its layers are rounded, at a text's n-th time."""
    told = []

    def progress(text, done):
        if text == "layers rounded" or (told and counted(text)):
            told.append(text)
        if len(told) > count:
            raise KeyboardInterrupt

    return progress


def is_layer(text):
    return text.startswith(("language_model.", "action_expert."))


@pytest.mark.parametrize(
    ("recipe", "counted", "count", "kept", "trials", "play"),
    [
        ({"layout": "auto"}, is_layer, 5, 5, 28, play_in_processes),
        ({"layout": "llm+dit", "budget": 100_000}, is_layer, 40, 40, 2 * 28, play_here),
        ({"layout": "auto"}, lambda text: text.endswith(" layers together"), 1, 28, 28, play_here),
        ({}, lambda text: text.startswith("effect of "), 5, 4, 20, play_here),
    ],
    ids=["auto, in processes", "budget", "auto, judging", "fixed layout"],
)
def test_after_ctrl_c_measured_layers_are_not_measured_again(
    path, undisturbed, tmp_path, monkeypatch, recipe, counted, count, kept, trials, play
):
    recipe = Recipe(rounding="rtn", **recipe)
    whole = undisturbed(recipe)
    monkeypatch.setattr(measuring, "play_in_processes", play)
    measured = []
    real = WorkDirectory.keep_measure

    def keep(self, name, bits, content):
        measured.append((name, bits))
        real(self, name, bits, content)

    monkeypatch.setattr(WorkDirectory, "keep_measure", keep)
    with pytest.raises(KeyboardInterrupt):
        quantize(path, tmp_path / "out", recipe, stop_at(count, counted))
    assert multiprocessing.active_children() == []
    assert not (tmp_path / "out").exists()
    assert len(measured) == kept
    quantize(path, tmp_path / "out", recipe)
    assert len(measured) == len(set(measured)) == trials
    for name in [*FILES, "sensitivity.json"] if recipe.searches else FILES:
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"out"}


def test_after_kill_it_goes_on(path, undisturbed, tmp_path):
    """The process is killed in the midst of the layers, by the one signal that nobody can catch."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from test_resume import Recipe, quantize\n"
        "def progress(text, done):\n"
        "    if text.startswith('action_expert.layers.0.mlp.gate_proj '):\n"
        "        Path(sys.argv[2]).touch()\n"
        "        while True: time.sleep(60)\n"
        "quantize(Path(sys.argv[1]), Path(sys.argv[3]), Recipe(scheme='w4a8'), progress)\n"
    )
    here = Path(__file__).parent
    places = (here, here.parents[1], here.parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    mark, out = tmp_path / "mark", tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", code, path, mark, out], env=environment)
    try:
        wait_until(mark.exists, 120)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = list((tmp_path / ".out.work").glob("*.safetensors"))
    assert len(kept) == 9 and not out.exists()  # all that the first half calls
    quantize(path, out, Recipe(scheme="w4a8"))
    whole = undisturbed(Recipe(scheme="w4a8", sequential=False))
    for name in FILES:
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert not (tmp_path / ".out.work").exists()


def test_other_settings_begin_anew(tmp_path):
    first = WorkDirectory(tmp_path / "out", {"scheme": "w8a8"})
    first.keep_measure("a", 8, {"chunk": 1.0})
    first.close()
    same = WorkDirectory(tmp_path / "out", {"scheme": "w8a8"})
    assert same.measure("a", 8) == {"chunk": 1.0}
    same.close()
    other = WorkDirectory(tmp_path / "out", {"scheme": "w4a8"})
    assert other.measure("a", 8) is None
    other.discard()
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_are_refused(tmp_path):
    first = WorkDirectory(tmp_path / "out", {})
    with pytest.raises(QuantVLAError, match="another `quantvla quantize` is making"):
        WorkDirectory(tmp_path / "out", {})
    first.discard()
