# SPDX-License-Identifier: Apache-2.0
"""The gate on an emulated Arm processor: `quantvla inspect` and the gate, chunk by chunk.

A chunk takes long in an emulator, so each is kept as soon as it is there, and the same command goes
on after a stop. What judges is the gate's own code on the first held-out samples.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calib_tools.common.circumstances import versions
from calib_tools.common.progress import Report
from studies.study import run_study, study_parser

KIND = "studies.arm_gate"
_TEXT = """\
Read an INT8 bundle and judge it by the gate on the backend cpu, on the first held-out samples of a
buffer, where a whole gate would take too long: in an arm64 root file system under qemu-user.
"""
_EXAMPLE = """\
example: QEMU_CPU=cortex-a76 chroot ROOT python3 -m studies.arm_gate float int8 buffer --out r.json
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study."""
    parser = study_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("float", type=Path, help="float bundle")
    parser.add_argument("int8", type=Path, help="its INT8 bundle")
    parser.add_argument("buffer", type=Path, help="calibration buffer")
    parser.add_argument("--samples", type=int, default=8, help="held-out samples (8)")
    parser.add_argument("--work", type=Path, default=Path("arm_gate_work"), help="keeps chunks")
    options = parser.parse_args(arguments)

    def measure(report: Report) -> dict[str, Any]:
        return judge(
            options.float, options.int8, options.buffer, options.work, options.samples, report
        )

    run_study(KIND, options, arguments, measure)


def judge(
    float_path: Path, int8: Path, buffer: Path, work: Path, samples: int, report: Report
) -> dict[str, Any]:
    """Inspect `int8` and judge it; returns what the record says.

    Args:
        float_path: float bundle.
        int8: INT8 bundle made of it.
        buffer: calibration buffer.
        work: where chunks are kept.
        samples: held-out samples, from the first on.
        report: shows what happens.

    Raises:
        QuantVLAError: a bundle or the buffer cannot be used, or there are too few samples.
    """
    import numpy as np

    from calib_tools.inspect_bundle import inspect_bundle
    from calib_tools.quantize.command import fitting_buffer
    from calib_tools.quantize.judging import DRAWS, judge_chunks
    from quantvla_ros.backends.policy import load_policy
    from quantvla_ros.bundle.storage import load_manifest
    from quantvla_ros.quantization.gate import load_thresholds

    read = inspect_bundle(int8)
    observations = fitting_buffer(int8, load_manifest(int8), buffer).held_out[:samples]
    report("loading both policies")
    reference = load_policy(float_path, "cpu", compiled=False)
    quantized = load_policy(int8, "cpu", compiled=False)
    began, cpu = time.monotonic(), time.process_time()
    draws = [_chunks(reference, observations, work, f"float-{k}", k, report) for k in range(DRAWS)]
    made = _chunks(quantized, observations, work, "int8", 0, report)
    record = judge_chunks(
        reference.manifest, np.stack(draws), made, observations, load_thresholds(),
        quantized.kernel, "cpu",
    )  # fmt: skip
    return {
        "architecture": platform.machine(),
        "versions": versions(),
        "inspect": {**read, "path": int8.name},
        "gate": record.model_dump(),
        "seconds": {
            "of the last start": round(time.monotonic() - began, 1),
            "of processor": round(time.process_time() - cpu, 1),
        },
    }


def _chunks(
    policy: Any, observations: Sequence[Any], work: Path, name: str, draw: int, report: Report
) -> Any:
    """Chunks [N, horizon, actions] of a policy with the gate's noise; each is made once."""
    import numpy as np

    from calib_tools.quantize.judging import GATE_SEED
    from quantvla_ros.processing.noise import draw_noise
    from quantvla_ros.whole_file import whole_file

    found = []
    for index, observation in enumerate(observations):
        path = work / f"{name}-{index}.npy"
        if not path.exists():
            began = time.process_time()
            noise = draw_noise(policy.manifest, GATE_SEED + draw, index)
            actions = policy.infer(observation, noise).actions
            with whole_file(path) as draft, draft.open("wb") as file:
                np.save(file, actions.astype(np.float64))
            report(f"{name}, sample {index}: {time.process_time() - began:.0f} s of processor")
        found.append(np.load(path))
    return np.stack(found)


if __name__ == "__main__":
    main()
