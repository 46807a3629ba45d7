# SPDX-License-Identifier: Apache-2.0
"""How punctual the node is, whether camera frames are lost, what an hour changes."""
