# SPDX-License-Identifier: Apache-2.0
"""How punctual the node is, if camera frames are lost, what an hour changes, what a start takes."""
