# SPDX-License-Identifier: Apache-2.0
"""A training run of a tiny network in this very process: `python tiny_run.py DEMOS OUT STEPS`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from quantvla_ros.models.pi05 import Pi05Config
from training import train, trainer, widening
from training.language import vocabulary_size
from training.settings import Settings


def tiny_config(narrow: bool = False) -> Pi05Config:
    config = Pi05Config(
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
    )


def main(demos: Path, out: Path, steps: int) -> None:
    trainer.network_config = tiny_config
    train.LOG_EVERY = 1
    mine = settings(demos, out, steps)
    out.mkdir(parents=True, exist_ok=True)
    mine.record()
    train.prepare(mine)
    with tempfile.TemporaryDirectory() as directory:
        train.train(0, mine, str(Path(directory) / "store"), os.getppid())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
