# SPDX-License-Identifier: Apache-2.0
"""Keep inductor's cache of compiled code free of what would not run here, and found again."""

from __future__ import annotations

import copyreg
import hashlib
import os
import platform
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch._inductor.runtime.cache_dir_utils import cache_dir, default_cache_dir

from quantvla_ros.cache_directory import cache_directory, why_unusable
from quantvla_ros.errors import BackendError
from quantvla_ros.processor import cpu_flags

_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


def _memory_format(name: str) -> torch.memory_format:
    found: torch.memory_format = getattr(torch, name)
    return found


def _reduced(kind: torch.memory_format) -> tuple[Callable[[str], torch.memory_format], tuple[str]]:
    return _memory_format, (str(kind).removeprefix("torch."),)


# Inductor looks code up by a hash of a pickle, which names a memory format by the module of this
# process that imported torch first: no other program found the code, and a helper's was in vain.
copyreg.pickle(torch.memory_format, _reduced)


def use_cache_of_this_cpu() -> None:
    """Give this CPU a folder of its own in the cache, for all that this process compiles.

    The cache lies with the package's other files that are kept, so that a robot that starts again
    has not to compile again, unless TORCHINDUCTOR_CACHE_DIR names another place.

    Inductor takes code for wider vectors from its cache on a CPU with narrower ones, where it
    crashes or never ends. That happens when a home directory is shared or an image is built on
    another machine, and with `ATEN_CPU_CAPABILITY`.

    Raises:
        QuantVLAError: code can be kept in no folder, or not in the one that is named.
    """
    named = os.environ.get(_VARIABLE, default_cache_dir())
    if Path(named).name == _folder():
        return
    if named == default_cache_dir():  # inductor's own choice is emptied at every start
        root = cache_directory("compiled", executable=True)
    else:
        root = Path(named)
        why = why_unusable(root, executable=True)
        if why:
            raise BackendError(
                f"compiled code cannot be kept: the folder '{root}' of {_VARIABLE} {why}; set the "
                "variable to another folder, or unset it"
            )
    os.environ[_VARIABLE] = str(root / _folder())


@cache
def _folder() -> str:
    kind = [platform.machine(), torch.backends.cpu.get_cpu_capability(), *sorted(cpu_flags())]
    return f"cpu-{hashlib.sha256(' '.join(kind).encode()).hexdigest()[:12]}"


def discard_broken_library(error: ImportError) -> bool:
    """Remove from the cache the library that could not be loaded; False if it was another.

    A process that is killed while it compiles leaves a library there half-written, and inductor
    takes any file of the right name for a good one: no later start would succeed.
    """
    library = Path(error.path or "")
    if library.suffix != ".so" or not library.is_relative_to(cache_dir()):
        return False
    try:
        library.unlink()
    except OSError:
        return False
    return True
