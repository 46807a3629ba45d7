# SPDX-License-Identifier: Apache-2.0
"""The quantizer: layouts, integer layers, ATM and OHB folded into the scales, the gate."""
