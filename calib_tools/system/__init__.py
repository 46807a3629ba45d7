# SPDX-License-Identifier: Apache-2.0
"""The simulated robot and the policy node as processes, and what they did."""
