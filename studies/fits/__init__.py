# SPDX-License-Identifier: Apache-2.0
"""Which policy fits on which board: bytes of weights, measured where a record has them."""
