# SPDX-License-Identifier: Apache-2.0
"""Inference-only PyTorch networks: shared blocks and one file per model family."""
