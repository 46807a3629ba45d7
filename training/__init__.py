# SPDX-License-Identifier: Apache-2.0
"""Makes the bundled policy; not installed on robots."""
