# SPDX-License-Identifier: Apache-2.0
"""What the check does, one command after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

QUANTVLA = ("-m", "calib_tools.cli")
BUILDERS = ("onnx", "torch_tensorrt")  # the last that succeeds is used
_NEEDS_DRIVER = BUILDERS[1]  # asks the GPU's driver when it is imported


@dataclass(frozen=True)
class Step:
    """One command of the check.

    Attributes:
        name: of the step in the record.
        words: what follows `python`; run in the check's own folder.
        result: pattern of the file that the command writes there, as JSON; what it prints if None.
        reads: names of steps; when one of them was run anew, so is this one.
        missing: why this machine cannot do it; empty if it can.
    """

    name: str
    words: tuple[str, ...]
    result: str | None = None
    reads: tuple[str, ...] = ()
    missing: str = ""


@dataclass(frozen=True)
class Lengths:
    """How long things are measured.

    Attributes:
        seconds: that each node runs.
        rounds: timed inferences of each bench.
    """

    seconds: float = 60.0
    rounds: int = 200


def steps(
    backend: str, missing: str, builders: Sequence[str], plain: str, lengths: Lengths
) -> list[Step]:
    """All steps; before them `float` and `buffer` are copied into the check's folder.

    Args:
        backend: that builds engines.
        missing: why it cannot run them here; empty if it can. Engines are then only rehearsed.
        builders: its ways to build engines, the one that is to be used last.
        plain: backend that needs none; it is measured on every machine.
        lengths: see there.
    """
    found = [
        Step("doctor", (*QUANTVLA, "doctor", "--json")),
        Step("inspect", (*QUANTVLA, "inspect", "float", "--json")),
    ]
    if backend != plain:
        found += _engine_steps(backend, missing, builders)
        found += _measured("int8", backend, [step.name for step in found[2:]], missing, lengths)
    found.append(_quantize("int8_plain", plain))
    return found + _measured("int8_plain", plain, [found[-1].name], "", lengths)


def _quantize(out: str, backend: str) -> Step:
    words = ("quantize", "float", "buffer", "--target", backend, "--out", out, "--force", "--json")
    return Step(f"quantize for {backend}", (*QUANTVLA, *words))


def _engine_steps(backend: str, missing: str, builders: Sequence[str]) -> list[Step]:
    quantize = _quantize("int8", backend)
    rehearsal = ("--without-gpu",) if missing else ()
    usable = [builder for builder in builders if not (missing and builder == _NEEDS_DRIVER)]

    def build(name: str, bundle: str, builder: str) -> Step:
        words: tuple[str, ...] = ("build", bundle, "--backend", backend, "--builder", builder)
        why = "" if builder in usable else f"this builder asks the GPU's driver, and {missing}"
        pattern = f"{bundle}/engines/*/engine.json"
        reads: tuple[str, ...] = (quantize.name,)
        if bundle == "float":  # whose largest numbers are found in the buffer
            words, reads = (*words, "--buffer", "buffer"), ()
        words = (*QUANTVLA, *words, *rehearsal, "--force", "--json")
        return Step(name, words, pattern, reads, why)

    found = [quantize, *(build(f"build with {name}", "int8", name) for name in builders)]
    if usable:
        found.append(build("build float", "float", usable[-1]))
    return found


def _measured(
    bundle: str, backend: str, reads: Sequence[str], missing: str, lengths: Lengths
) -> list[Step]:
    """Gate, bench and node of a quantized bundle on a backend."""
    on, before = ("--backend", backend), tuple(reads)
    gate = ("gate", bundle, "float", "buffer", *on, "--write", "--json")
    timed, jitter = f"bench-{backend}.json", f"jitter-{backend}.json"
    bench = (
        "bench", bundle, "--against", "float", "--buffer", "buffer", *on,
        "--rounds", str(lengths.rounds), "--force", "--out", timed,
    )  # fmt: skip
    node = (
        "jitter", "--bundle", bundle, *on, "--rate", "100", "--seconds", f"{lengths.seconds:g}",
        "--out", jitter, "--logs", "logs", "--force",
    )  # fmt: skip
    names = [f"{word} on {backend}" for word in ("gate", "bench", "node")]
    return [
        Step(names[0], (*QUANTVLA, *gate), None, before, missing),
        Step(names[1], (*QUANTVLA, *bench), timed, before, missing),
        Step(names[2], ("-m", "studies.timing", *node), jitter, (*before, names[0]), missing),
    ]


def copied(root: Path) -> dict[str, Path]:
    """Folder of the check -> what it is copied from, by the folder of the source tree.

    The buffer was recorded once on a PC, by `studies.task_buffer`: a robot's computer has no
    simulator.
    """
    return {"float": root / "policies/panda", "buffer": Path(__file__).parent / "buffer"}
