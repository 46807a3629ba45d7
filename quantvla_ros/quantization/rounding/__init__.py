# SPDX-License-Identifier: Apache-2.0
"""Rounding of weights to integer codes."""
