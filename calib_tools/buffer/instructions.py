# SPDX-License-Identifier: Apache-2.0
"""Instructions that a policy cannot know calibrate nothing: they are left out, or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from quantvla_ros.bundle.storage import load_manifest, load_tokenizer
from quantvla_ros.errors import CalibrationBufferError
from quantvla_ros.processing.instruction import InstructionCheck, too_long

if TYPE_CHECKING:
    from quantvla_ros.bundle.schema import BundleManifest
    from quantvla_ros.robot.observation import Observation

Refusal = Callable[[str], str]
"""Why an instruction cannot be used, in one sentence without a full stop; empty when it can."""


def refusal_for(bundle: Path | None, manifest: BundleManifest | None = None) -> Refusal:
    """Return the rule for the instructions of a buffer.

    Args:
        bundle: of the policy that the buffer is for; None when it is not known, and then only an
            instruction that is too long for every policy is refused.
        manifest: of the bundle, where it is read already.

    Raises:
        BundleError: the bundle cannot be read.
    """
    if bundle is None:
        return too_long
    check = InstructionCheck(load_tokenizer(bundle, manifest or load_manifest(bundle)))
    return lambda text: check.judge(text).refusal


def check_instructions(refusal: Refusal, samples: Sequence[Observation], buffer: Path) -> None:
    """Refuse a buffer in which a sample has an instruction that the policy cannot know.

    Raises:
        CalibrationBufferError: names the most frequent one, and how many samples have such ones.
    """
    texts = Counter(sample.instruction for sample in samples)
    bad = {text: why for text in texts if (why := refusal(text))}
    if not bad:
        return
    worst = max(bad, key=lambda text: texts[text])
    more = len(bad) - 1
    others = f" (and {more} other instruction{'s' * (more > 1)})" if more else ""
    raise CalibrationBufferError(
        f"{sum(texts[text] for text in bad)} of {len(samples)} samples of the buffer '{buffer}' "
        f"have instructions that this policy cannot know: {bad[worst]}{others}; record or select "
        "again with --bundle, which leaves them out"
    )
