# SPDX-License-Identifier: Apache-2.0
"""The C++ compiler that inductor takes, asked before it is needed; knows no torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from functools import cache

from quantvla_ros.errors import BackendError

REMEDY = "sudo apt install g++ python3-dev"
_NEEDED = "#include <Python.h>\n#include <vector>\n"  # what every compiled policy includes


def check_compiler() -> None:
    """Refuse to compile a policy without a usable C++ compiler.

    Raises:
        BackendError: there is no C++ compiler, or it lacks its or Python's headers.
    """
    why = why_not_compiling()
    if why:
        raise BackendError(
            f"a policy is compiled on the machine that runs it, and {why}; install what is missing "
            f"({REMEDY}), name another compiler in the variable CXX, or let policy_node run "
            "without (parameter 'compiled': false)"
        )


@cache
def why_not_compiling() -> str:
    """Why no policy can be compiled here; empty when one can. Takes a moment at its first call."""
    name = compiler_name()
    compiler = shutil.which(name)
    if compiler is None:
        return f"the C++ compiler '{name}' is not installed"
    command = [compiler, "-x", "c++", "-fsyntax-only", "-I", sysconfig.get_path("include"), "-"]
    english = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, input=_NEEDED, capture_output=True, text=True, check=False, env=english
        )
    except OSError as error:
        return f"the C++ compiler '{compiler}' does not start ({error.strerror})"
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error:" in line]
        said = errors[0].partition("error:")[2].strip() if errors else "it says nothing"
        return f"the C++ compiler '{compiler}' cannot be used ({said})"
    return ""


def compiler_name() -> str:
    """What inductor calls."""
    return os.environ.get("CXX", "g++")
