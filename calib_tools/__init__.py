# SPDX-License-Identifier: Apache-2.0
"""The `quantvla` command line: calibration, quantization, judgement, reports and the demo."""
