# SPDX-License-Identifier: Apache-2.0
"""The backends by name: this package's own, and those of other packages by their entry points."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from quantvla_ros.backends.base import Backend
from quantvla_ros.errors import BackendError

GROUP = "quantvla_ros.backends"
_OWN = {
    "cpu": "quantvla_ros.backends.cpu.backend:CpuBackend",
    "reference": "quantvla_ros.backends.reference.backend:ReferenceBackend",
}
DEFAULT = "cpu"


def backend_names() -> list[str]:
    """Names of all backends that are installed; imports none of them."""
    return [*_OWN, *sorted(set(_others()) - set(_OWN))]


@cache
def find_backend(name: str) -> Backend:
    """The backend of a name.

    Raises:
        BackendError: there is none, or it cannot be imported.
    """
    try:
        if name in _OWN:
            module, _, attribute = _OWN[name].partition(":")
            kind = getattr(import_module(module), attribute)
        elif name in _others():
            kind = _others()[name].load()
        else:
            raise BackendError(f"unknown backend '{name}'; known: {', '.join(backend_names())}")
    except (ImportError, AttributeError) as error:
        raise BackendError(f"the backend '{name}' cannot be imported ({error})") from error
    backend: Backend = kind()
    return backend


def _others() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
