# SPDX-License-Identifier: Apache-2.0
"""GR00T N1.7: a Qwen3-VL backbone and a diffusion transformer that attends to what it read."""
