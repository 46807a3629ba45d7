# SPDX-License-Identifier: Apache-2.0
"""Our own experiments on this package; a robot does not install them."""
