# SPDX-License-Identifier: Apache-2.0
"""Every fault provoked on a running system, and how the arm stops."""
