# SPDX-License-Identifier: Apache-2.0
"""How a bundle runs: reference arithmetic, our CPU engine, and what a machine can do."""
