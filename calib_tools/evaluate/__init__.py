# SPDX-License-Identifier: Apache-2.0
"""Closed-loop evaluation: policies drive the simulated robot through the node's control code."""
