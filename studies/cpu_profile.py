# SPDX-License-Identifier: Apache-2.0
"""Where the milliseconds of a chunk go on the backend `cpu`, instruction by instruction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.study import bare_parser, study_command

if TYPE_CHECKING:
    from quantvla_ros.backends.policy import Policy

KIND = "studies.cpu_profile"
_TEXT = """\
Run a policy on random observations and print what its instructions take: the shortest time of each
in many rounds, once a chunk and once for every step of the flow, added up by kind or listed alone.
"""
_EXAMPLE = """\
example: python -m studies.cpu_profile policies/panda --rounds 50
         python -m studies.cpu_profile demo_out/int8 --threads 2 --each
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study."""
    parser = bare_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("bundle", type=Path, help="float or quantized")
    parser.add_argument("--rounds", type=int, default=50, help="chunks (50)")
    parser.add_argument("--threads", type=int, default=1, help="of an inference (1)")
    parser.add_argument("--each", action="store_true", help="list every instruction")
    options = parser.parse_args(arguments)
    with study_command(KIND):
        from typing import cast

        from quantvla_ros.backends.policy import load_policy

        policy = load_policy(options.bundle, "cpu", threads=options.threads)
        rows = profile(cast("Policy", policy), options.rounds)
    show(rows, options.each)


def profile(policy: Policy, rounds: int) -> list[tuple[str, str, float]]:
    """Operation, name of its node, and milliseconds a chunk of every instruction.

    Args:
        policy: on the backend `cpu`.
        rounds: chunks; the shortest time of each instruction counts.
    """
    import torch

    from quantvla_ros.processing.processing import blank_observation

    runner: Any = policy.runner
    best: dict[tuple[str, int], tuple[str, str, float]] = {}
    times = {"context": 1, "step": policy.manifest.denoise_steps}
    with torch.inference_mode():
        inputs = policy.inputs(blank_observation(policy.manifest.interface))
        noise = torch.randn(1, *policy.manifest.noise_shape)
        runner.velocity(noise, 1.0, runner.encode(inputs))
        for _ in range(rounds):
            for graph, instructions in runner.timed(inputs).items():
                for place, (op, name, seconds) in enumerate(instructions):
                    ms = 1e3 * seconds * times[graph]
                    known = best.get((graph, place), (op, name, ms))
                    best[graph, place] = op, name, min(known[2], ms)
    return list(best.values())


def show(rows: Sequence[tuple[str, str, float]], each: bool) -> None:
    """Print milliseconds a chunk, the longest first."""
    if each:
        lines = [(f"{op} {name}", ms) for op, name, ms in rows]
    else:
        sums: dict[str, float] = defaultdict(float)
        for op, _, ms in rows:
            sums[op] += ms
        lines = sorted(sums.items(), key=lambda line: line[1], reverse=True)
    for name, ms in lines:
        print(f"{ms:9.3f} ms  {name}")
    print(f"{sum(ms for *_, ms in rows):9.3f} ms  all instructions of a chunk")


if __name__ == "__main__":
    main()
