# SPDX-License-Identifier: Apache-2.0
"""What the check does, one command after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

QUANTVLA = ("-m", "calib_tools.cli")


@dataclass(frozen=True)
class Step:
    """One command of the check.

    Attributes:
        name: of the step in the record.
        words: what follows `python`; run in the check's own folder.
        result: file that the command writes there, as JSON; what it prints if None.
    """

    name: str
    words: tuple[str, ...]
    result: str | None = None


def steps(
    backend: str, builders: tuple[str, ...], control: str, seconds: float, rounds: int
) -> list[Step]:
    """The steps for one backend; before them `policy` and `buffer` are copied.

    Args:
        backend: what the bundle is made for and run by.
        builders: its ways to build engines, the one that is to be used last; none without engines.
        control: the backend that stands for plain PyTorch in the second bench.
        seconds: how long the node runs.
        rounds: timed inferences of each bench.
    """
    on = ("--backend", backend)
    bench = ("bench", "int8", "--against", "float", "--buffer", "buffer", "--force")
    timed = ("--rounds", str(rounds))
    quantize = ("quantize", "float", "buffer", "--target", backend, "--out", "int8")
    found = [
        Step("doctor", (*QUANTVLA, "doctor", "--json")),
        Step("quantize", (*QUANTVLA, *quantize, "--force", "--json")),
    ]
    for builder in builders:
        words = ("build", "int8", *on, "--builder", builder, "--force", "--json")
        found.append(Step(f"build with {builder}", (*QUANTVLA, *words)))
    if builders:
        measured = ("--builder", builders[-1], "--buffer", "buffer", "--force", "--json")
        found.append(Step("build float", (*QUANTVLA, "build", "float", *on, *measured)))
    gate = ("gate", "int8", "float", "buffer", *on, "--write", "--json")
    found += [
        Step("gate", (*QUANTVLA, *gate)),
        Step("bench", (*QUANTVLA, *bench, *on, *timed, "--out", "bench.json"), "bench.json"),
    ]
    if control != backend:
        plain = (*bench, "--backend", control, *timed, "--out", "control.json")
        found.append(Step("bench of PyTorch", (*QUANTVLA, *plain), "control.json"))
    node = ("jitter", "--bundle", "int8", *on, "--rate", "100", "--seconds", f"{seconds:g}")
    out = ("--out", "jitter.json", "--logs", "logs", "--force")
    found.append(Step("node", ("-m", "studies.timing", *node, *out), "jitter.json"))
    return found


def copied(root: Path) -> dict[str, Path]:
    """Folder of the check -> what it is copied from, by the folder of the source tree.

    The buffer was recorded once by the demo on a PC: a robot's computer has no simulator.
    """
    return {"float": root / "policies/panda", "buffer": Path(__file__).parent / "buffer"}
