# SPDX-License-Identifier: Apache-2.0
"""Samples that calibrate nothing, and a disk that fills up: a sentence, and nothing is left."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import pytest
import torch
from support.tiny_policy import observations, save_tiny_bundle

from calib_tools import cli
from calib_tools.quantize import quantizing
from calib_tools.quantize.quantization_run import LAYERS_FILE, Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from calib_tools.quantize.work_directory import WorkDirectory
from quantvla_ros.bundle.manifest_file import MANIFEST
from quantvla_ros.bundle.storage import WEIGHTS
from quantvla_ros.errors import QuantVLAError

SAMPLES = observations(24)
LAYER = "language_model.layers.0.mlp.gate_proj"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("bundles") / "float")


def refused(path, out, match, calibration=SAMPLES[:14], **recipe):
    with pytest.raises(QuantVLAError, match=match) as error:
        quantize_bundle(
            path,
            Samples(calibration, SAMPLES[14:], "0" * 64),
            Recipe(target="reference", **recipe),  # it loads at once
            out,
            False,
            None,
            lambda text, done: None,
        )
    assert "\n" not in str(error.value)
    assert list(out.parent.iterdir()) == []


def with_hook(monkeypatch, hook):
    """The float network's layer of this file gives and takes what `hook` makes of it."""
    real = quantizing.load_on_tensors

    def load_on_tensors(*arguments):
        network = real(*arguments)
        norm = network.get_submodule("language_model.layers.0.post_attention_layernorm")
        norm.register_forward_hook(hook)
        return network

    monkeypatch.setattr(quantizing, "load_on_tensors", load_on_tensors)


@pytest.mark.parametrize("rounding", ["rtn", "gptq"])
def test_activations_that_are_not_finite_name_the_layer(path, tmp_path, monkeypatch, rounding):
    with_hook(monkeypatch, lambda _, __, out: torch.full_like(out, torch.nan))
    refused(
        path, tmp_path / "out", f"input of layer '{LAYER}' holds NaN or infinity", rounding=rounding
    )


def test_constant_activations_name_the_layer(path, tmp_path, monkeypatch):
    with_hook(monkeypatch, lambda _, __, out: torch.ones_like(out))
    refused(path, tmp_path / "out", f"input of layer '{LAYER}' is the same in every")


@pytest.mark.parametrize("where", ["safetensors.torch.save_file", "os.replace"])
def test_a_disk_that_fills_up_leaves_nothing(path, tmp_path, monkeypatch, where):
    written = []

    def full(*_, **__):
        written.append(1)
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    monkeypatch.setattr(where, full)
    refused(path, tmp_path / "out", "disk of .* is full", rounding="rtn")
    assert written


SAVE = torch.save


class _Full(io.RawIOBase):
    """A file on a disk that has room for its first bytes only."""

    def __init__(self, room):
        self._room = room

    def writable(self):
        return True

    def write(self, data):
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)


def at_its_beginning(content, file):
    SAVE(content, _Full(0))


def in_the_midst(content, file):
    SAVE(content, _Full(20_000))


def by_a_path(content, file):
    """What torch says of a path."""
    raise RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")


def no_disk(content, file):
    raise RuntimeError("a tensor that cannot be written")


@pytest.mark.parametrize("full", [at_its_beginning, in_the_midst, by_a_path])
@pytest.mark.parametrize("recipe", [{"layout": "auto"}, {"budget": 60_000}], ids=str)
def test_a_disk_that_fills_up_before_the_measuring_leaves_nothing(
    path, tmp_path, monkeypatch, recipe, full
):
    monkeypatch.setattr(torch, "save", full)
    refused(path, tmp_path / "out", "disk of .* is full", rounding="rtn", **recipe)


@pytest.mark.parametrize("fails", [in_the_midst, no_disk])
def test_what_cannot_be_kept_for_workers_leaves_no_draft(tmp_path, monkeypatch, fails):
    work = WorkDirectory(tmp_path / "out", {})
    before = set(work.path.iterdir())
    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(RuntimeError if fails is no_disk else OSError):
        work.keep_object("measuring.pt", {"weight": torch.zeros(50_000)})
    assert set(work.path.iterdir()) == before
    work.discard()


@pytest.mark.parametrize("last", [WEIGHTS, LAYERS_FILE])
def test_a_disk_that_fills_up_at_the_end_leaves_the_bundle_that_was_there(
    path, tmp_path, monkeypatch, last
):
    """The work is done, and the bundle itself does not fit any more."""
    out = tmp_path / "out"
    out.mkdir()
    (out / MANIFEST).write_text("a bundle of before")
    opens = Path.open

    def full(file, mode="r", *rest, **options):
        if file.name == last and "w" in mode:
            raise OSError(errno.ENOSPC, "No space left on device", str(file))
        return opens(file, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(QuantVLAError, match=r"disk of .* is full"):
        quantize_bundle(
            path,
            Samples(SAMPLES[:14], SAMPLES[14:], "0" * 64),
            Recipe(target="reference", rounding="rtn"),
            out,
            True,
            None,
            lambda text, done: None,
        )
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (out / MANIFEST).read_text() == "a bundle of before"


def test_a_full_disk_is_one_sentence_in_every_command(monkeypatch, capsys):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device", "/data/buffer")

    monkeypatch.setattr(cli, "app", full)
    monkeypatch.setattr(sys, "argv", ["quantvla", "record"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    sentence = capsys.readouterr().err
    assert "the disk is full (/data/buffer); free some space" in sentence
    assert sentence.count("\n") == 1
