# SPDX-License-Identifier: Apache-2.0
"""Static INT8 bundles of tests are those of the studies."""

from studies.static_bundle import SCALE, STATIC, save_static_bundle

__all__ = ["SCALE", "STATIC", "save_static_bundle"]
