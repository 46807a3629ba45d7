# SPDX-License-Identifier: Apache-2.0
"""A training run of a tiny network: `python tiny_run.py DEMOS OUT STEPS [processes=2 ...]`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.multiprocessing.spawn import spawn

from quantvla_ros.models.mini_pi05.config import MiniPi05Config
from training import train, widening
from training.architectures import ARCHITECTURES, mini_pi05
from training.language import vocabulary_size
from training.settings import Settings

REPOSITORY = Path(__file__).parents[2]


def tiny_config(narrow: bool = False) -> MiniPi05Config:
    config = MiniPi05Config(
        vocabulary=vocabulary_size(),
        cameras=2,
        image_size=96,
        state_width=11,
        action_width=8,
        horizon=16,
        width=16,
        layers=2,
        heads=2,
        kv_heads=1,
        head_width=8,
        mlp=32,
        expert_width=16,
        expert_mlp=32,
        vision_width=16,
        vision_heads=2,
        stem_channels=(4, 8),
    )
    return widening.halved(config) if narrow else config


TINY = replace(mini_pi05.ARCHITECTURE, config=tiny_config)


def settings(demos: Path, out: Path, steps: int) -> Settings:
    return Settings(
        out=out,
        demos=(demos,),
        corrections=(),
        init=None,
        steps=steps,
        batch=4,
        correction_weight=1.0,
        peak=1.0,
        seed=3,
        processes=1,
        check_every=0,
        check_scenes=1,
        checkpoint_s=0.0,
        narrow=False,
        network=TINY.family,
    )


def one_process(rank: int, mine: Settings, store: str, parent: int) -> None:
    ARCHITECTURES[TINY.family] = TINY
    train.LOG_EVERY = train.GOALS_A_SCENE = 1
    train.train(rank, mine, store, parent)


def main(demos: Path, out: Path, steps: int, **more: Any) -> None:
    mine = replace(settings(demos, out, steps), **more)
    out.mkdir(parents=True, exist_ok=True)
    mine.record()
    train.prepare(mine)
    with tempfile.TemporaryDirectory() as directory:
        store = str(Path(directory) / "store")
        if mine.processes == 1:  # a second one would load PyTorch again
            one_process(0, mine, store, os.getppid())
        spawn(one_process, args=(mine, store, os.getpid()), nprocs=mine.processes)


def start(demos: Path, out: Path, steps: int, **more: Any) -> subprocess.Popen[bytes]:
    """Begin a run, or go on with it, in a process of its own; `more` are other settings."""
    words = [demos, out, steps, *(f"{key}={value}" for key, value in more.items())]
    scratch = out.parent / "temporary #1"  # a name that people give
    scratch.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    more = {key: int(value) for key, value in (word.split("=") for word in sys.argv[4:])}
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), **more)
