# SPDX-License-Identifier: Apache-2.0
"""ACT (action chunking with transformers): pictures and a state to a chunk, in one pass.

Source: Zhao and others, Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware, 2023,
as LeRobot 0.6.1 has it (policies/act). It reads no words and draws no noise.
"""
