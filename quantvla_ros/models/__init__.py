# SPDX-License-Identifier: Apache-2.0
"""Networks: what a family is, shared blocks, and a folder for each bundled family."""
