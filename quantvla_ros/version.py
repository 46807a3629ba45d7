# SPDX-License-Identifier: Apache-2.0
"""The package's version, for rooms that may not import what the package's first page names."""

__version__ = "0.1.0"
