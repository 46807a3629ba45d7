# SPDX-License-Identifier: Apache-2.0
"""The yardstick: every product in float32, integers as floats on their grid."""
