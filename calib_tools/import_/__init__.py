# SPDX-License-Identifier: Apache-2.0
"""`quantvla import`: a float bundle from another project's checkpoint."""
