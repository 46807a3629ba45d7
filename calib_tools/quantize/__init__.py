# SPDX-License-Identifier: Apache-2.0
"""`quantvla quantize`, and `quantvla gate`, which judges again."""
