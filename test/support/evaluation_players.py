# SPDX-License-Identifier: Apache-2.0
"""Jobs, outcomes and players of evaluation tests that need no policy."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from calib_tools.evaluate.jobs import Job
from calib_tools.evaluate.outcome import Outcome
from calib_tools.evaluate.plan import PlannedEpisode
from calib_tools.evaluate.settings import SCHEMA, Asked, Settings, VariantId, make_settings
from calib_tools.evaluate.variants import Variant
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.whole_file import write_file


def outcome(success: bool = True, grounding: str = "told", seconds: float = 5.0, **more) -> Outcome:
    values = {
        "instruction": "put the milk in the basket",
        "success": success,
        "seconds": seconds,
        "grounding": grounding,
        "first_moved": {"told": "milk", "other": "butter", "none": None}[grounding],
        "chunks": 7,
        "fault": None,
        "path_rad": 4.0,
        "jerk_rad_s3": 20.0,
        "boundary_jump": 0.001,
        "chunk_gap": 0.01,
        "clamped": 0,
        "limited": 2,
    }
    return Outcome(**{**values, **more})


def settings(labels=("float",), episodes: int = 4, **more) -> Settings:
    values = {
        "schema_version": SCHEMA,
        "variants": [VariantId(label=x, rounding="", bundle_sha256=f"{x:0>64}") for x in labels],
        "tasks": ["pick_place"],
        "episodes": episodes,
        "first_seed": 5_000_000,
        "shifts": ["none"],
        "wordings": "held-out",
        "latency": "120",
        "setting": "normal",
        "setting_shifts": [],
        "denoise_steps": None,
        "max_seconds": 12.0,
        "stop_when_decided": False,
        "way": "in process",
        "controller_rate_hz": 500.0,
    }
    return Settings(**{**values, **more})


def made_up(folder: Path, episodes: int = 6, labels=("float", "int8"), **more):
    """Variants whose players write into `folder`, and settings for them."""
    folder.mkdir(exist_ok=True)
    variants = [Variant(label, folder, f"{label:0>64}") for label in labels]
    return variants, make_settings(variants, Asked(["pick_place"], episodes, **more))


def jobs(count: int, folder: Path) -> list[Job]:
    """Jobs of a made-up variant; players below write into `folder`."""
    variant = Variant("float", folder, "0" * 64)
    return [
        Job(variant, PlannedEpisode(i, "pick_place", "none", i, 0, -1), 0.1, None, 12.0)
        for i in range(count)
    ]


class Quick:
    """Each episode's seconds are its index; leaves its process id in the folder."""

    def play(self, job: Job) -> Outcome:
        (job.variant.bundle / f"played_{os.getpid()}_{job.episode.index}").touch()
        return outcome(seconds=float(job.episode.index))


class Mortal(Quick):
    """Dies of kill -9 the first time that it is given episode 2."""

    def play(self, job: Job) -> Outcome:
        mark = job.variant.bundle / "died"
        if job.episode.index == 2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().play(job)


class Doomed(Quick):
    """Always dies of episode 1."""

    def play(self, job: Job) -> Outcome:
        if job.episode.index == 1:
            os._exit(7)
        return super().play(job)


class Refusing:
    """Refuses like a policy whose bundle was changed."""

    def play(self, job: Job) -> Outcome:
        raise QuantVLAError("The bundle was changed.")


class Broken:
    """Fails by a mistake in the program."""

    def play(self, job: Job) -> Outcome:
        return outcome(seconds=1 / 0)


class Endless(Quick):
    """Never ends; its process id is in the folder."""

    def play(self, job: Job) -> Outcome:
        super().play(job)
        while True:
            time.sleep(60)


class Stuck(Quick):
    """Plays four episodes and then hangs."""

    def play(self, job: Job) -> Outcome:
        if job.episode.index == 4:
            (job.variant.bundle / "stuck").touch()
            while True:
                time.sleep(60)
        return super().play(job)


class Weak(Quick):
    """Solves all, but with three bits only every other episode; writes nothing."""

    def play(self, job: Job) -> Outcome:
        return outcome(success="w3a8" not in job.variant.label or job.episode.index % 2 == 0)


class Filmed(Quick):
    """Fails the episodes of odd index, and writes where a GIF is wanted."""

    def play(self, job: Job) -> Outcome:
        super().play(job)
        if job.picture is not None:
            write_file(job.picture, f"GIF of {job.label}")
        return outcome(success=job.episode.index % 2 == 0)


class Hesitant(Quick):
    """Refuses episode 4 the first time that it is given it."""

    def play(self, job: Job) -> Outcome:
        mark = job.variant.bundle / "refused"
        if job.episode.index == 4 and not mark.exists():
            mark.touch()
            raise QuantVLAError("Not today.")
        return super().play(job)
