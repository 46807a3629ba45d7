# SPDX-License-Identifier: Apache-2.0
"""Whether a build fits into memory, before it begins, and what it took."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from quantvla_ros.errors import BackendError
from quantvla_ros.memory import available_memory, kernel_bytes

_SELF = Path("/proc/self")
MEASURED = (
    (1.9e6, 0.67e9), (3.2e6, 0.68e9), (5.7e6, 0.73e9), (9.2e6, 0.74e9), (70e6, 1.66e9),
    (138e6, 2.64e9), (216e6, 2.06e9), (432e6, 3.54e9),
)  # fmt: skip
"""Bytes of a part's plan, and the largest memory of the process that built it.

From rehearsals (docs/records/engine-build.json, made by `python -m studies.engine_build`).
"""
SPARE = 0.3e9
"""For the system itself: a Jetson without it kills whatever grows."""
GB, MB = 1e9, 1e6


def build_memory(plan_bytes: float) -> float:
    """Bytes that the process holds at most that builds a part, from the nearest known sizes.

    No smaller part is taken to need more: a second part finds what the first has left behind.

    Args:
        plan_bytes: size of its weights as the plan holds them.
    """
    size, took = 0.0, MEASURED[0][1]  # TensorRT and PyTorch themselves
    for known, measured in MEASURED:
        more = max(took, measured)
        if plan_bytes <= known:
            return took + (more - took) * (plan_bytes - size) / (known - size)
        size, took = known, more
    return took + (took - MEASURED[0][1]) / size * (plan_bytes - size)


def check_memory(part: str, plan_bytes: float, held: int = 0) -> None:
    """Refuse to build a part that would not fit; swap does not count, a build in it takes hours.

    Args:
        part: name, for the sentence.
        plan_bytes: see `build_memory`.
        held: bytes that the process that builds holds already.

    Raises:
        BackendError: says what is free, what is needed, why, and what can be done.
    """
    whole, free = build_memory(plan_bytes), available_memory()
    need = max(whole - held, 0.0) + SPARE
    if free is None or need <= free:
        return
    size, took = min(MEASURED, key=lambda known: abs(known[0] - plan_bytes))
    raise BackendError(
        f"building '{part}' takes about {need / GB:.1f} GB more memory and {free / GB:.1f} GB are "
        f"free (swap does not count; its plan has about {plan_bytes / MB:.3g} MB, and one of "
        f"{size / MB:.3g} MB took {took / GB:.1f} GB); close the desktop (sudo systemctl isolate "
        "multi-user.target) and other programs, or take a board of the same kind with more "
        "memory; a policy that then fits only by halves runs with `--resident sequential`"
    )


def forget_peak() -> None:
    """Let `peak_memory` count from now on."""
    with suppress(OSError):
        (_SELF / "clear_refs").write_text("5")


def peak_memory() -> int:
    """Largest resident memory of this process since `forget_peak`, bytes."""
    return kernel_bytes(_SELF / "status", "VmHWM:") or 0
