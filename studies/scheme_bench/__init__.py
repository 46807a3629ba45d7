# SPDX-License-Identifier: Apache-2.0
"""How fast each number format is: `python -m studies.scheme_bench`."""
