# SPDX-License-Identifier: Apache-2.0
"""Which instructions may move the arm: those that the policy can know."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.storage import load_tokenizer
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.processing.instruction import InstructionCheck
from quantvla_ros.serving.input_types import InstructionState

_REMEMBERED = 16


def instruction_gate(
    bundle: Path, manifest: BundleManifest, mode: Callable[[], str]
) -> Callable[[str], InstructionState]:
    """Return the function that judges instructions for a bundle.

    Args:
        bundle: directory of the bundle.
        manifest: of the bundle.
        mode: the parameter `instruction_check`: ``enforce``, ``warn`` or ``ignore``.

    Raises:
        BundleError: its tokenizer cannot be read.
    """
    calibrated = manifest.calibration.instructions if manifest.calibration else []
    check = InstructionCheck(load_tokenizer(bundle, manifest), calibrated)
    judge = functools.lru_cache(_REMEMBERED)(check.judge)

    def gate(text: str) -> InstructionState:
        judgement = judge(text)
        # What was cut off is lost for any policy; that no parameter allows.
        if judgement.unreadable:
            return InstructionState(refusal=judgement.unreadable)
        if judgement.unknown and mode() == "enforce":
            way_out = "; or set 'instruction_check' to warn"
            return InstructionState(refusal=judgement.unknown + way_out)
        if mode() == "ignore":
            return InstructionState()
        return InstructionState(warning=judgement.unknown or judgement.doubtful)

    return gate


def answer(text: str, state: InstructionState) -> str:
    """Return what an instruction that was taken leads to.

    Raises:
        QuantVLAError: it may not move the arm.
    """
    if state.refusal:
        raise QuantVLAError(f"Not taken, the arm holds: {state.refusal}.")
    taken = f"Taken: '{text.strip()}'" if text.strip() else "Taken: the arm holds"
    return f"{taken}; but {state.warning}." if state.warning else f"{taken}."
