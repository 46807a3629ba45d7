# SPDX-License-Identifier: Apache-2.0
"""Transforms that make a float network easier to quantize and leave its function as it is."""
