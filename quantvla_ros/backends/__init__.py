# SPDX-License-Identifier: Apache-2.0
"""How a bundle runs: reference arithmetic, compiled CPU, and what a machine can do."""
