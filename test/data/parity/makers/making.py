# SPDX-License-Identifier: Apache-2.0
"""What all makers of golden checkpoints share: a robot's observation, statistics, weights."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

STATES = ACTIONS = 7
HEIGHT, WIDTH = 480, 640
TASK = "Pick up the red_cube and place it in bin 12."
SPREADS = {"min": -2.6, "q01": -2.1, "q10": -1.25, "q50": 0.07, "q90": 1.31, "q99": 2.2, "max": 2.9}


class GoldenFile(dict):
    """Stages by key, as `golden.safetensors` holds them."""

    def put(self, name, value):
        if isinstance(value, str):
            value = np.frombuffer(value.encode(), np.uint8).copy()
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(np.ascontiguousarray(value))
        self[name] = value.detach().cpu().clone().contiguous()

    def put_picture(self, name, picture):
        """A picture uint8 [height, width, 3] as PNG, with its hash."""
        packed = BytesIO()
        Image.fromarray(picture).save(packed, "PNG", optimize=True)
        self.put(f"{name}.png", np.frombuffer(packed.getvalue(), np.uint8).copy())
        known = hashlib.sha256(picture.tobytes()).digest()
        self.put(f"{name}.sha256", np.frombuffer(known, np.uint8).copy())

    def put_observation(self, observation, task):
        for key, value in observation.items():
            raw = f"raw.{key}"
            self.put_picture(raw, value) if value.dtype == np.uint8 else self.put(raw, value)
        self.put("raw.task", task)

    def save(self, path, **meta):
        meta["torch"] = torch.__version__
        save_file(dict(self), str(path), metadata={"meta": json.dumps(meta, sort_keys=True)})


def picture(seed):
    """Edges, gradients and fine structure that still pack well, uint8 [480, 640, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = (x * 255 // (WIDTH - 1), y * 255 // (HEIGHT - 1), ((x + 2 * y) // 5) % 256)
    out = np.stack(planes, -1).astype(np.uint8)
    for _ in range(14):
        top, left = int(rng.integers(0, HEIGHT - 40)), int(rng.integers(0, WIDTH - 40))
        rows, columns = int(rng.integers(8, 160)), int(rng.integers(8, 200))
        out[top : top + rows, left : left + columns] = rng.integers(0, 256, 3, dtype=np.uint8)
    fine = (x[100:180, 200:280] // 3 + y[100:180, 200:280] // 2) % 2
    out[100:180, 200:280] = (fine * 255)[..., None]
    out[:5] = 255
    out[:, -7:] = (20, 200, 90)
    return out


def observation(cameras, seed):
    """Pictures by key and a state, of which two values lie outside of all quantiles."""
    found = {camera: picture(seed + number) for number, camera in enumerate(cameras)}
    state = np.random.default_rng(seed + 50).normal(0, 0.9, STATES).astype(np.float32)
    state[:2] = 3.2, -2.9
    return {**found, "observation.state": state}


def statistics(features, seed):
    """Of features with so many values each; of a picture those of its three channels."""
    rng, found = np.random.default_rng(seed), {}
    for key, count in features.items():
        mean, std = rng.uniform(-0.6, 0.6, count), rng.uniform(0.2, 1.5, count)
        one = {"mean": mean, "std": std}
        one |= {k: mean + v * std * rng.uniform(0.8, 1.2, count) for k, v in SPREADS.items()}
        one = {k: v.astype(np.float32) for k, v in one.items()}
        if "images" in key:
            one = {k: np.clip(np.abs(v), 0.1, 1).reshape(3, 1, 1) for k, v in one.items()}
        found[key] = {**one, "count": np.array([1234])}
    return found


def randomize(module, seed):
    """Give every parameter a value of its own: start values hide errors."""
    rng = np.random.default_rng(seed)
    for name, tensor in module.named_parameters():
        values, leaf = rng.standard_normal(tuple(tensor.shape)), name.rpartition(".")[2]
        if tensor.dim() == 1:
            gain = leaf == "weight" and float(tensor.detach().mean()) > 0.5
            values = gain + 0.15 * values
        elif "embed" in name and tensor.dim() == 2:
            values = 0.35 * values
        elif leaf == "W":
            values = values * (0.9 / np.sqrt(tensor.shape[1]))
        elif leaf == "b":
            values = 0.1 * values
        else:
            values = values / np.sqrt(np.prod(tensor.shape[1:]))
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values.astype(np.float32)))


def feature(kind, shape):
    from lerobot.configs.types import FeatureType, PolicyFeature

    return PolicyFeature(type=getattr(FeatureType, kind), shape=shape)


def batch_of(observation, task):
    from lerobot.policies.utils import prepare_observation_for_inference

    copied = {key: value.copy() for key, value in observation.items()}
    return prepare_observation_for_inference(copied, torch.device("cpu"), task)


@contextmanager
def hooked(*pairs):
    """While it lasts, call each function with the arguments and the output of its module."""

    def hook(see):
        return lambda module, args, kwargs, out: see(args, kwargs, out)

    handles = [module.register_forward_hook(hook(see), with_kwargs=True) for module, see in pairs]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def stub_torchvision():
    """Declare the operators of torchvision that a wheel for another torch cannot load."""
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def empty(path):
    """A new folder, in place of what is there."""
    import shutil

    folder = Path(path).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
