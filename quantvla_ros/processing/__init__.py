# SPDX-License-Identifier: Apache-2.0
"""From observations to network inputs and from its output to actions."""
