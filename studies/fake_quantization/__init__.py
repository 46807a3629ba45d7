# SPDX-License-Identifier: Apache-2.0
"""FAKE quantization: rounded values, held and computed in float; for studies, for no robot."""
