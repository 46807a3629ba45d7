# SPDX-License-Identifier: Apache-2.0
"""`build` of this backend: engines for this machine, in a process of their own.

TensorRT works for minutes in one call that hears no signal, and may crash or be killed for want of
memory. So it runs in a child: Ctrl-C ends that at once, its death is a sentence, and all its memory
is free again. What it wrote lies in a draft folder that takes the place of the old one at the end.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from quantvla_ros.backends.base import BuildOptions
from quantvla_ros.backends.graphs.refusals import check_bundle
from quantvla_ros.backends.tensorrt.builders import check_name
from quantvla_ros.backends.tensorrt.engine_record import (
    TIMING_CACHE,
    EngineRecord,
    fitting_record,
    write_record,
)
from quantvla_ros.backends.tensorrt.machine import Machine, rehearsal_machine
from quantvla_ros.backends.tensorrt.memory import check_memory
from quantvla_ros.bundle.directory import written_directory
from quantvla_ros.bundle.storage import WEIGHTS, load_manifest
from quantvla_ros.errors import BackendError, OutputExistsError, QuantVLAError
from quantvla_ros.parent_process import tie_to_parent
from quantvla_ros.whole_file import write_file


def build_engines(bundle: Path, folder: Path, machine: Machine, options: BuildOptions) -> Path:
    """Build the engines of a bundle; they appear whole or not at all.

    Args:
        bundle: directory of a float or quantized bundle.
        folder: where they go, within the bundle; what lies there is replaced.
        machine: that they are for.
        options: see there.

    Returns:
        The folder.

    Raises:
        QuantVLAError: the bundle, the machine or its memory will not do, or TensorRT could not.
        OutputExistsError: they are there already.
    """
    check_name(options.builder)
    manifest = load_manifest(bundle, check_files=True)
    check_bundle(bundle, manifest, "TensorRT", "tensorrt")
    if options.without_gpu:
        machine = rehearsal_machine()
        folder = folder.with_name("tensorrt-rehearsal")
    machine.check()
    if not options.force:
        with suppress(BackendError):
            fitting_record(bundle, folder, manifest, machine)
            raise OutputExistsError(
                f"bundle {bundle} has its engines for {machine} already, in {folder}; give "
                "--force to build them again"
            )
    check_memory("context", (bundle / WEIGHTS).stat().st_size / 2)  # of two parts
    from quantvla_ros.backends.tensorrt.building import Request

    made = not folder.parent.exists()
    try:
        with written_directory(folder, force=True) as draft:
            timed = folder / TIMING_CACHE
            if timed.is_file():  # what is known of this machine's kernels stays
                write_file(draft / TIMING_CACHE, timed.read_bytes())
            request = Request(
                bundle,
                draft,
                options.builder,
                options.precision,
                machine,
                local=not options.without_gpu,
                largest=options.largest,
            )
            write_record(draft, _in_a_child(request, options))
    finally:
        if made:
            with suppress(OSError):  # it holds the engines
                folder.parent.rmdir()
    return folder


def _in_a_child(request: Any, options: BuildOptions) -> EngineRecord:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(request, theirs, os.getpid()), daemon=True)
    child.start()
    theirs.close()
    try:
        return _listen(ours, options)
    except EOFError:
        child.join()
        raise BackendError(_last_words(child.exitcode or 0)) from None
    finally:
        child.kill()
        child.join()
        ours.close()


def _listen(connection: Connection, options: BuildOptions) -> EngineRecord:
    while True:
        kind, content = connection.recv()
        if kind == "progress":
            options.progress(*content)
        elif kind == "say":
            options.say(content)
        elif kind == "refused":
            raise BackendError(content)
        elif kind == "failed":
            raise RuntimeError(content)
        else:
            record: EngineRecord = content
            return record


def _last_words(code: int) -> str:
    """What to say of a build that ended without a word."""
    if code == -signal.SIGKILL:
        return (
            "the system ended the build, most likely for want of memory; close the desktop and "
            "other programs and build again"
        )
    how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
    return (
        f"TensorRT ended the building process {how}; try the other builder (--builder), and "
        "report this with the build's output"
    )


def _child(request: Any, connection: Connection, parent: int) -> None:
    tie_to_parent(parent)
    from quantvla_ros.backends.tensorrt.building import build_all

    def send(kind: str, content: Any) -> None:
        connection.send((kind, content))

    try:
        record = build_all(
            request, lambda text, share: send("progress", (text, share)), lambda t: send("say", t)
        )
        send("done", record)
    except QuantVLAError as error:
        send("refused", str(error))
    except Exception as error:
        import traceback

        traceback.print_exc()
        send("failed", f"{type(error).__name__}: {error}")
