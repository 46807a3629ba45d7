# SPDX-License-Identifier: Apache-2.0
"""What a user can do wrong: one sentence, exit status 1, nothing half-written."""

from __future__ import annotations

import shutil
import sys

import pytest
import yaml
from safetensors.torch import load_file, save_file

from calib_tools.cli import main
from quantvla_ros.bundle.manifest_file import write_manifest
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.storage import file_hash, load_manifest
from quantvla_ros.quantization.gate import load_thresholds
from quantvla_ros.resources import shared_file


@pytest.fixture
def refused(monkeypatch, capsys):
    """Run a command that must fail; return its sentence."""

    def run(*arguments) -> str:
        monkeypatch.setattr(sys, "argv", ["quantvla", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        shown = capsys.readouterr()
        lines = shown.err.strip().splitlines()
        sentence = lines[-1]
        assert sentence.startswith("quantvla: ")
        assert "Traceback" not in shown.err
        assert "inside the program" not in sentence
        return sentence

    return run


@pytest.fixture
def bundle(tmp_path, tiny_bundle):
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


@pytest.fixture
def config_file(tmp_path, config):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    return path


def left(tmp_path) -> set[str]:
    return {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("name", ["weights.safetensors", "tokenizer.json", "bundle.yaml"])
def test_a_bundle_with_one_changed_byte(tmp_path, refused, bundle, tiny_buffer, name):
    file = bundle / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    sentence = refused("quantize", bundle, tiny_buffer, "--out", tmp_path / "int8")
    assert name in sentence
    assert left(tmp_path) == {"bundle"}
    assert name in refused("inspect", bundle)


def test_a_bundle_of_another_schema(refused, bundle):
    content = yaml.safe_load((bundle / "bundle.yaml").read_text())
    (bundle / "bundle.yaml").write_text(yaml.safe_dump(content | {"schema_version": 7}))
    sentence = refused("inspect", bundle)
    assert "7" in sentence and "knows 2" in sentence


def test_a_bundle_with_a_tensor_missing(tmp_path, refused, bundle, tiny_buffer):
    tensors = load_file(bundle / "weights.safetensors")
    gone = sorted(tensors)[3]
    del tensors[gone]
    save_file(tensors, bundle / "weights.safetensors")
    manifest: BundleManifest = load_manifest(bundle)
    files = {name: file_hash(bundle / name) for name in manifest.files}
    write_manifest(bundle, manifest.model_copy(update={"files": files}))
    sentence = refused("quantize", bundle, tiny_buffer, "--out", tmp_path / "int8")
    assert f"'{gone}'" in sentence
    assert left(tmp_path) == {"bundle"}


def test_a_stream_with_too_few_samples(tmp_path, refused, config_file, streams):
    bag = streams.bag(tmp_path / "bag", streams.robot(6))
    sentence = refused("select", bag, "--config", config_file, "--out", tmp_path / "buffer")
    assert "Only 6 usable samples" in sentence and "32" in sentence
    assert left(tmp_path) == {"bag", "config.yaml"}


@pytest.mark.parametrize("command", ["record", "select"])
def test_fewer_samples_than_quantize_takes(tmp_path, refused, config_file, command):
    """Asked for, or allowed by the configuration: refused before a bag or a topic is looked at."""
    bags = [tmp_path / "no bag"] if command == "select" else []
    out = ["--out", tmp_path / "buffer"]
    few = refused(command, *bags, "--config", config_file, *out, "--samples", "31")
    assert "31 samples" in few and "at least 32 with --samples" in few
    text = config_file.read_text()
    config_file.write_text(text.replace("min_samples: 32", "min_samples: 16"))
    few = refused(command, *bags, "--config", config_file, *out, "--samples", "16")
    assert str(config_file) in few and "min_samples: 16" in few and "at least 32" in few
    assert left(tmp_path) == {"config.yaml"}


@pytest.mark.parametrize("command", ["record", "select"])
def test_a_configuration_with_a_joint_twice(tmp_path, refused, config_file, streams, command):
    bags = [streams.bag(tmp_path / "bag", streams.robot(3))] if command == "select" else []
    config_file.write_text(config_file.read_text().replace("- elbow", "- shoulder"))
    sentence = refused(command, *bags, "--config", config_file, "--out", tmp_path / "buffer")
    assert f"In '{config_file}', joint_states.names: joint 'shoulder' is named twice." in sentence
    assert "buffer" not in left(tmp_path)


def test_a_buffer_with_too_few_samples(tmp_path, refused, bundle, config, streams):
    from calib_tools.buffer.collector import Collector
    from calib_tools.buffer.store import write_buffer

    collector = Collector(config, 32)
    for message in streams.robot(32):
        collector.add(message)
    samples, counts = collector.finish()
    write_buffer(tmp_path / "buffer", config, samples[:31], counts, [])
    sentence = refused("quantize", bundle, tmp_path / "buffer", "--out", tmp_path / "int8")
    assert "31 samples" in sentence
    assert left(tmp_path) == {"bundle", "buffer"}


def test_a_bag_without_the_camera_topic(tmp_path, refused, config_file, streams):
    stream = [m for m in streams.robot(20) if m.topic != "/wrist/image_raw"]
    bag = streams.bag(tmp_path / "bag", stream)
    sentence = refused("select", bag, "--config", config_file, "--out", tmp_path / "buffer")
    assert "'/wrist/image_raw'" in sentence
    assert "/front/image_raw, /instruction, /joint_states" in sentence
    assert left(tmp_path) == {"bag", "config.yaml"}


def test_a_topic_on_which_nothing_arrives(tmp_path, refused, config):
    content = config.model_dump(mode="json") | {"first_message_timeout_s": 1.0}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    sentence = refused("record", "--config", path, "--out", tmp_path / "buffer")
    assert "/front/image_raw in 1 s" in sentence
    assert left(tmp_path) == {"config.yaml"}


def test_an_unknown_scheme_and_layout(tmp_path, refused, tiny_bundle, tiny_buffer):
    arguments = ["quantize", tiny_bundle, tiny_buffer, "--out", tmp_path / "int8"]
    assert "w8a8" in refused(*arguments, "--scheme", "w3a3")
    assert "llm+dit_mlp" in refused(*arguments, "--layout", "everything")
    assert left(tmp_path) == set()


@pytest.mark.parametrize("command", ["select", "quantize", "record"])
def test_an_output_directory_that_exists(
    tmp_path, refused, tiny_bundle, tiny_buffer, config_file, command
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    arguments = {
        "select": [tiny_buffer, "--config", config_file],
        "quantize": [tiny_bundle, tiny_buffer],
        "record": ["--config", config_file],
    }[command]
    assert "--force" in refused(command, *arguments, "--out", out)
    assert (out / "mine.txt").read_text() == "mine"


def test_force_replaces_the_whole_directory(tmp_path, monkeypatch, streams, config_file):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    bag = streams.bag(tmp_path / "bag", streams.robot(36))
    words = ["select", bag, "--config", config_file, "--out", out, "--samples", "32", "--force"]
    monkeypatch.setattr(sys, "argv", ["quantvla", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert {"buffer.yaml", "metadata.yaml"} < left(out) and "mine.txt" not in left(out)
    assert left(tmp_path) == {"bag", "config.yaml", "out"}


def test_a_bundle_that_fails_its_gate(tmp_path, refused, tiny_bundle, tiny_buffer, monkeypatch):
    strict = load_thresholds().model_copy(update={"cosine": 1.1})
    monkeypatch.setattr("calib_tools.quantize.quantization_run.load_thresholds", lambda: strict)
    out = tmp_path / "int8"
    sentence = refused("quantize", tiny_bundle, tiny_buffer, "--out", out)
    assert f"'{out}' is written, but it failed its gate (cosine" in sentence
    assert not load_manifest(out, check_files=True).gate.passed
    assert left(tmp_path) == {"int8"}


def test_a_demo_onto_something_else(tmp_path, refused):
    (tmp_path / "mine.txt").write_text("mine")
    assert "no earlier demo" in refused("demo", "--out", tmp_path)
    assert left(tmp_path) == {"mine.txt"}


def test_a_demo_with_a_quantized_or_missing_policy(tmp_path, refused):
    sentence = refused("demo", "--out", tmp_path / "out", "--policy", tmp_path / "nothing")
    assert "nothing" in sentence
    assert left(tmp_path) == set()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--task", "juggle"], ["'juggle'", "beside_plate, pick_place, push, stack"]),
        (["--episodes", "0"], ["--episodes is 0", "even"]),
        (["--episodes", "7"], ["--episodes is 7", "even"]),
        (["--shift", "dim_light+fog"], ["'fog'", "more_objects"]),
        (["--latency", "soon"], ["'soon'", "'measured'"]),
        (["--over-ros", "--ray", "local"], ["--over-ros", "--ray"]),
        (["--over-ros", "--shift", "dim_light"], ["--over-ros", "--shift"]),
    ],
    ids=" ".join,
)
def test_an_evaluation_that_cannot_be_played(tmp_path, refused, options, named):
    policy = shared_file("policies/panda")
    sentence = refused("evaluate", policy, "--out", tmp_path / "out", *options)
    assert all(word in sentence for word in named)
    assert left(tmp_path) == set()


def test_an_evaluation_of_no_bundle_or_of_one_for_another_robot(tmp_path, refused, tiny_bundle):
    (tmp_path / "empty").mkdir()
    for name in ("nothing", "empty"):
        sentence = refused("evaluate", tmp_path / name, "--out", tmp_path / "out")
        assert f"{tmp_path / name}/bundle.yaml" in sentence and "directory of a bundle" in sentence
    sentence = refused("evaluate", tiny_bundle, "--out", tmp_path / "out")
    assert f"'{tiny_bundle}'" in sentence and "'shoulder'" in sentence
    assert left(tmp_path) == {"empty"}


def test_an_evaluation_into_something_else(tmp_path, refused):
    (tmp_path / "mine.txt").write_text("mine")
    sentence = refused("evaluate", shared_file("policies/panda"), "--out", tmp_path)
    assert f"'{tmp_path}' exists and is no evaluation" in sentence
    assert left(tmp_path) == {"mine.txt"}
