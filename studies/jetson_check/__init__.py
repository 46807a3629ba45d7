# SPDX-License-Identifier: Apache-2.0
"""The whole chain on a robot's own computer, in one record that its owner can send back."""
