# SPDX-License-Identifier: Apache-2.0
"""Damaged bundles, buffers, parameter files and pictures, each opened as its user would."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from quantvla_ros.resources import shared_file
from quantvla_ros.robot.observation import Observation
from studies.fuzz.mutation import mutate_bytes, mutate_yaml
from studies.random_policy import JOINTS, TINY, random_observations, save_random_bundle

_SAMPLES = 16  # of calibration
_GROUPS = 40  # in the buffer; as a bag it must hold more than are selected


def observation() -> Observation:
    """One that fits the bundles."""
    return random_observations(1, TINY.image_size)[0]


def write_bundles(directory: Path) -> None:
    """Write `float` and, quantized from it, `int4`."""
    from calib_tools.quantize.quantization_run import Samples
    from calib_tools.quantize.quantizing import quantize_bundle
    from calib_tools.quantize.recipe import Recipe
    from quantvla_ros.quantization.gate import load_thresholds

    save_random_bundle(directory / "float", TINY)
    samples = random_observations(_SAMPLES + load_thresholds().samples, TINY.image_size)
    quantize_bundle(
        directory / "float",
        Samples(samples[:_SAMPLES], samples[_SAMPLES:], "random".ljust(64, "0")),
        Recipe(scheme="w4a8", rounding="rtn"),
        directory / "int4",
        False,
        None,
        lambda text, share: None,
    )


def write_buffer_of_noise(path: Path) -> None:
    """Write a calibration buffer of one camera with random pictures."""
    from PIL import Image

    from calib_tools.buffer.collector import Counts, Sample
    from calib_tools.buffer.sources import JOINTS as JOINT_STATES
    from calib_tools.buffer.sources import CalibrationConfig, CameraSource, JointSource
    from calib_tools.buffer.store import write_buffer

    config = CalibrationConfig(
        cameras={"front": CameraSource(topic="/front/image_raw")},
        joint_states=JointSource(names=JOINTS[:3]),
    )
    rng = np.random.default_rng(0)
    samples = []
    for number in range(_GROUPS):
        png = io.BytesIO()
        pixels = rng.integers(0, 256, (TINY.image_size, TINY.image_size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(png, "PNG")
        stamp = 1_000_000_000 * (number + 1)
        samples.append(
            Sample(
                stamp_ns=stamp,
                stamps_ns={"front": stamp, JOINT_STATES: stamp},
                pictures={"front": png.getvalue()},
                position=rng.normal(size=3),
                velocity=rng.normal(size=3),
                instruction="put the milk in the basket",
            )
        )
    counts = Counts(groups=_GROUPS, rejected={}, near_duplicates=0, surplus=0)
    write_buffer(path, config, samples, counts, ["random"])


RESEAL_SHARE = 0.8  # of the damages come with hashes that fit, or nothing else would be tried

Attempt = Callable[[np.random.Generator, Path], None]
"""Damages something in a scratch directory and opens it; raises what the opening raises."""


def make_samples(directory: Path, kinds: Collection[str]) -> None:
    """Write the sound files that attempts of these kinds damage; some damage what is shipped."""
    if "bundle" in kinds:
        write_bundles(directory)
    if {"buffer", "bag"} & set(kinds):
        write_buffer_of_noise(directory / "buffer")


def attempts(samples: Path) -> Mapping[str, Attempt]:
    """What can be damaged, by name; `samples` was filled by `make_samples`."""
    return {
        "bundle": partial(_bundle, samples),
        "buffer": partial(_buffer, samples / "buffer"),
        "bag": partial(_bag, samples / "buffer"),
        "parameters": _parameters,
        "configuration": _configuration,
        "picture": _picture,
    }


def _bundle(samples: Path, rng: np.random.Generator, scratch: Path) -> None:
    """A bundle, float or quantized: load it and infer once."""
    from quantvla_ros.backends.policy import load_policy
    from quantvla_ros.bundle.manifest_file import MANIFEST, seal
    from quantvla_ros.bundle.storage import FILES, file_hash
    from quantvla_ros.processing.noise import draw_noise

    names = ("float", "int4")
    path = scratch / "bundle"
    shutil.copytree(samples / names[int(rng.integers(len(names)))], path)
    target = (MANIFEST, *FILES)[int(rng.integers(1 + len(FILES)))]
    content = (path / MANIFEST).read_bytes()
    body = content[: content.rstrip().rfind(b"\n") + 1]
    fitting = rng.random() < RESEAL_SHARE
    if target == MANIFEST:
        body = mutate_yaml(body.decode(), rng).encode()
    else:
        before = file_hash(path / target)
        (path / target).write_bytes(mutate_bytes((path / target).read_bytes(), rng))
        if fitting:
            body = body.replace(before.encode(), file_hash(path / target).encode())
    (path / MANIFEST).write_bytes(seal(body) if fitting else body)
    policy = load_policy(path)
    policy.infer(observation(), draw_noise(policy.manifest, 0, 0))


def _buffer(buffer: Path, rng: np.random.Generator, scratch: Path) -> None:
    """A calibration buffer: load it whole."""
    from calib_tools.buffer.store import DESCRIPTION, load_buffer
    from quantvla_ros.bundle.storage import file_hash

    path = scratch / "buffer"
    shutil.copytree(buffer, path)
    target = _damage_one(path, rng)
    if target.name != DESCRIPTION and rng.random() < RESEAL_SHARE:
        described = yaml.safe_load((path / DESCRIPTION).read_text(encoding="utf-8"))
        described["files"][target.name] = file_hash(target)
        (path / DESCRIPTION).write_text(yaml.safe_dump(described, sort_keys=False))
    load_buffer(path)


def _bag(buffer: Path, rng: np.random.Generator, scratch: Path) -> None:
    """A bag without any hash: select a buffer from it."""
    from calib_tools.buffer.store import DESCRIPTION, load_description
    from calib_tools.record.select import select

    sources = load_description(buffer).sources
    camera = sources.cameras["front"]
    stored = camera.model_copy(update={"topic": f"{camera.topic}/compressed"})
    path = scratch / "bag"
    shutil.copytree(buffer, path, ignore=shutil.ignore_patterns(DESCRIPTION))
    _damage_one(path, rng)
    config = sources.model_copy(update={"cameras": {"front": stored}})
    select([path], config, scratch / "selected", sources.min_samples, force=False)


def _damage_one(directory: Path, rng: np.random.Generator) -> Path:
    files = sorted(directory.iterdir())
    target = files[int(rng.integers(len(files)))]
    if target.suffix == ".yaml":
        target.write_text(mutate_yaml(target.read_text(encoding="utf-8"), rng))
    else:
        target.write_bytes(mutate_bytes(target.read_bytes(), rng))
    return target


def _parameters(rng: np.random.Generator, scratch: Path) -> None:
    """A parameter file of the policy node: start the node with it."""
    from quantvla_ros.nodes.policy_node import PolicyNode
    from quantvla_ros.nodes.runtime import Runtime

    file = scratch / "parameters.yaml"
    text = shared_file("config/policy.yaml").read_text(encoding="utf-8")
    file.write_text(mutate_yaml(text, rng))
    with Runtime(["--ros-args", "--params-file", str(file)]):
        node = PolicyNode(lambda: None)
        node.destroy_node()


def _configuration(rng: np.random.Generator, scratch: Path) -> None:
    """A configuration of `quantvla record`: read it."""
    from calib_tools.buffer.sources import load_config

    file = scratch / "calibration.yaml"
    file.write_text(
        mutate_yaml(shared_file("config/calibration.yaml").read_text(encoding="utf-8"), rng)
    )
    load_config(file)


def _picture(rng: np.random.Generator, scratch: Path) -> None:
    """A message with a compressed picture: decode it as the policy node and `select` do."""
    from calib_tools.buffer.messages import (
        COMPRESSED_TYPE,
        RawMessage,
        compressed_image,
        decode_image,
    )
    from studies.fuzz.damaged_messages import damaged

    sound = RawMessage("/front/compressed", COMPRESSED_TYPE, compressed_image(0, "camera", b""))
    pixels = decode_image(replace(sound, data=damaged(sound, 1.0, rng)))
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise TypeError(f"a picture of {pixels.dtype} {pixels.shape}")
