# SPDX-License-Identifier: Apache-2.0
"""Task families of the simulated robot, one file each; `registry` lists them."""
