# SPDX-License-Identifier: Apache-2.0
"""GR00T N1.5: SigLIP 2, the first layers of Qwen3 1.7B, a diffusion transformer that reads both."""
