# SPDX-License-Identifier: Apache-2.0
"""`quantvla bench`: speed and memory of bundles, in turn in one run."""
