# SPDX-License-Identifier: Apache-2.0
"""Published architectures in their full size, with random weights, on this machine."""
