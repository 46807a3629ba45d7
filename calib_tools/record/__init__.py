# SPDX-License-Identifier: Apache-2.0
"""`quantvla record` and `quantvla select`: calibration buffers."""
