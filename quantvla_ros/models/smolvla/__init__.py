# SPDX-License-Identifier: Apache-2.0
"""SmolVLA (Hugging Face, 2025): policies trained in LeRobot from 0.4.4 on."""
