# SPDX-License-Identifier: Apache-2.0
"""The published pi0.5: PaliGemma and a Gemma action expert."""
