# SPDX-License-Identifier: Apache-2.0
"""`quantvla bench`: latency and memory of INT8 beside the fastest float of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calib_tools.buffer.store import load_buffer
from calib_tools.common.output import check_file_free, write_json
from calib_tools.common.progress import Bar
from calib_tools.common.record_file import command_line
from quantvla_ros.bundle.storage import load_manifest


def bench(
    quantized: Path,
    against: Path,
    buffer: Path,
    rounds: int,
    threads: int,
    backend: str,
    out: Path | None,
    force: bool,
    resident: str = "all",
) -> dict[str, Any]:
    """Measure, and write the record to `out` when given.

    Raises:
        QuantVLAError: a bundle, the buffer or the output cannot be used.
    """
    if out is not None:
        check_file_free(out, force)
    from quantvla_ros.backends.base import Options
    from quantvla_ros.backends.registry import find_backend

    computing = find_backend(backend)
    computing.prepare(Options(threads=threads))
    for path in (quantized, against):
        computing.check_built(path)
    manifest = load_manifest(quantized, check_files=True)  # before anything is loaded
    load_manifest(against, check_files=True)
    samples = load_buffer(buffer, manifest.interface.state.names)
    from calib_tools.bench.measuring import bench as measure

    with Bar("measuring", 1.0) as bar:
        bar.note("Loading the policies.")
        record = measure(
            quantized,
            against,
            samples.samples,
            rounds,
            threads,
            backend,
            lambda done: bar.show(done, f"{rounds} inferences of each policy"),
            resident,
        )
    record = {"command": command_line(), **record}
    if out is not None:
        write_json(out, record)
    return record
