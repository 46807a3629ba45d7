# SPDX-License-Identifier: Apache-2.0
"""What an evaluation is: everything that its figures depend on, apart from the machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from calib_tools.evaluate.plan import (
    FIRST_SEED,
    GOALS_A_SCENE,
    NO_SHIFT,
    PlannedEpisode,
    plan_episodes,
)
from calib_tools.evaluate.presets import Preset, preset
from calib_tools.evaluate.variants import Variant
from quantvla_ros.errors import QuantVLAError

SCHEMA = 1
MEASURED = "measured"
_LONGEST_LATENCY_MS = 1000.0

Way = Literal["in process", "ros"]
Wordings = Literal["held-out", "training"]


class VariantId(BaseModel):
    """A variant as records name it: without the place where its bundle lies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    rounding: str
    bundle_sha256: str
    realtime_chunking: bool = False
    backend: str = ""


class Settings(BaseModel):
    """The settings of one evaluation; two runs with equal ones play the same episodes.

    Attributes:
        tasks: names of the task families.
        episodes: of each task and shift.
        first_seed: of the scenes.
        shifts: conditions ("none", a named setting, or several joined by "+").
        wordings: templates of the instructions.
        latency: "measured", or ms from observation to chunk.
        setting: name of the preset, and what it was: presets may be tuned.
        stop_when_decided: whether the sequential rule may end it early.
        way: in process, or through nodes and topics.
        controller_rate_hz: cycles a second of the robot's trajectory controller.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int
    variants: list[VariantId]
    tasks: list[str]
    episodes: int
    first_seed: int
    shifts: list[str]
    wordings: Wordings
    latency: str
    setting: str
    setting_shifts: list[str]
    denoise_steps: int | None
    max_seconds: float
    stop_when_decided: bool
    way: Way
    controller_rate_hz: float

    def plan(self) -> list[PlannedEpisode]:
        """The list of episodes.

        Raises:
            QuantVLAError: a task is unknown.
        """
        indexes = {name: _wording_indexes(name, self.wordings) for name in self.tasks}
        joined = [self._with_preset(shift) for shift in self.shifts]
        return plan_episodes(indexes, joined, self.episodes, self.first_seed)

    def _with_preset(self, shift: str) -> str:
        own = [] if shift == NO_SHIFT else shift.split("+")
        return "+".join(dict.fromkeys([*self.setting_shifts, *own])) or NO_SHIFT


@dataclass(frozen=True)
class Asked:
    """What a user asks of an evaluation; see `Settings`.

    The simulated robot has its own `controller_rate_hz` where none is given.
    """

    tasks: Sequence[str]
    episodes: int
    first_seed: int = FIRST_SEED
    shifts: Sequence[str] = (NO_SHIFT,)
    wordings: str = "held-out"
    latency: str = "120"
    setting: str = "normal"
    stop_when_decided: bool = False
    way: Way = "in process"
    controller_rate_hz: float | None = None


def make_settings(variants: Sequence[Variant], asked: Asked) -> Settings:
    """Check what a user asks for.

    Raises:
        QuantVLAError: names what is unknown or out of range, and what there is instead.
    """
    from simulation.trajectory_controller import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, RATE_HZ

    chosen, ros = preset(asked.setting), asked.way == "ros"
    if asked.episodes < GOALS_A_SCENE or asked.episodes % GOALS_A_SCENE:
        raise QuantVLAError(
            f"--episodes is {asked.episodes}; each scene is played with {GOALS_A_SCENE} "
            "instructions, so give an even number of 2 or more."
        )
    if asked.first_seed < 0:
        raise QuantVLAError(f"--seeds is {asked.first_seed}; the first seed is 0 or more.")
    if asked.wordings not in get_args(Wordings):
        raise QuantVLAError(f"Unknown wordings '{asked.wordings}'; choose held-out or training.")
    _check_latency(asked.latency)
    rate = RATE_HZ if asked.controller_rate_hz is None else asked.controller_rate_hz
    if not LOWEST_RATE_HZ <= rate <= HIGHEST_RATE_HZ:
        raise QuantVLAError(
            f"--controller-rate is {rate:g}; give {LOWEST_RATE_HZ:g} to {HIGHEST_RATE_HZ:g} Hz."
        )
    if ros and rate != RATE_HZ:
        raise QuantVLAError(
            f"--over-ros plays with a controller of {RATE_HZ:g} Hz; leave out --controller-rate."
        )
    named = [part for shift in asked.shifts for part in shift.split("+")]
    _check_names(asked.tasks, [*chosen.shifts, *named])
    if ros:
        _check_ros(variants, asked.shifts, chosen)
    known = {
        **vars(asked),
        "schema_version": SCHEMA,
        "variants": [
            VariantId(
                label=v.label,
                rounding=v.change.identity if v.change else "",
                bundle_sha256=v.sha256,
                realtime_chunking=v.continues,
                backend=v.backend or "",
            )
            for v in variants
        ],
        "tasks": list(dict.fromkeys(asked.tasks)),
        "shifts": list(dict.fromkeys(asked.shifts)),
        "latency": MEASURED if ros else asked.latency,
        "setting_shifts": list(chosen.shifts),
        "denoise_steps": chosen.denoise_steps,
        "max_seconds": chosen.max_seconds,
        "controller_rate_hz": rate,
    }
    return Settings.model_validate(known)


def _check_latency(latency: str) -> None:
    if latency == MEASURED:
        return
    try:
        value = float(latency)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _LONGEST_LATENCY_MS:
        raise QuantVLAError(
            f"--latency is '{latency}'; give '{MEASURED}' or 0 to {_LONGEST_LATENCY_MS:.0f} ms."
        )


def _check_names(tasks: Sequence[str], shifts: Sequence[str]) -> None:
    from simulation.shifts import SHIFTS
    from simulation.tasks.registry import make_task

    if not tasks:
        raise QuantVLAError("There is no task to play; give --task.")
    for name in tasks:
        make_task(name)
    for shift in shifts:
        if shift not in (*SHIFTS, NO_SHIFT):
            raise QuantVLAError(
                f"Unknown shift '{shift}'; choose {NO_SHIFT} or some of: {', '.join(SHIFTS)}."
            )


def _check_ros(variants: Sequence[Variant], shifts: Sequence[str], chosen: Preset) -> None:
    changed = [variant.label for variant in variants if variant.change]
    if changed:
        raise QuantVLAError(
            f"'{changed[0]}' is a changed bundle and the node runs bundles as they are; leave out "
            "--over-ros."
        )
    if list(shifts) != [NO_SHIFT] or chosen.shifts or chosen.denoise_steps is not None:
        raise QuantVLAError(
            "--over-ros plays the normal setting without shifts; leave out --shift and --setting, "
            "or --over-ros."
        )


def _wording_indexes(task: str, wordings: Wordings) -> range:
    from simulation.tasks.registry import make_task

    found = make_task(task)
    if wordings == "training":
        return range(len(found.wordings))
    return range(-1, -1 - len(found.held_out_wordings), -1)


def read_settings(path: Path) -> Settings:
    """Read the settings that an evaluation began with.

    Raises:
        QuantVLAError: the file is damaged or of another version.
    """
    try:
        return Settings.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise QuantVLAError(
            f"'{path}' cannot be read by this version of the package; choose another --out."
        ) from error
