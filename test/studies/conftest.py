# SPDX-License-Identifier: Apache-2.0
"""The tiny bundle and its buffers, which the tests of the tools have too."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_SPEC = spec_from_file_location(
    "tools_conftest", Path(__file__).parents[1] / "calib_tools/conftest.py"
)
_TOOLS = module_from_spec(_SPEC)
_SPEC.loader.exec_module(_TOOLS)
tiny_bundle, tiny_buffer, fresh_buffers = (
    _TOOLS.tiny_bundle,
    _TOOLS.tiny_buffer,
    _TOOLS.fresh_buffers,
)
