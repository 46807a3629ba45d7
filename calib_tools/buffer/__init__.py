# SPDX-License-Identifier: Apache-2.0
"""The calibration buffer: from messages on topics or in bags to synchronised samples on disk."""
