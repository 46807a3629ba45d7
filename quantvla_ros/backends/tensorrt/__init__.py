# SPDX-License-Identifier: Apache-2.0
"""Runs policies as TensorRT engines: two static graphs, built for the machine that runs them."""
