# SPDX-License-Identifier: Apache-2.0
"""A model family of a package of its own, of another shape than the bundled one.

Its head attends to the encoder's output by cross-attention, its flow time runs from 0 to 1 with a
plus sign, its prompt is padded on the left, its values are normalized by quantiles, and one of its
two cameras is optional.
"""
