# SPDX-License-Identifier: Apache-2.0
"""One HTML file from the records of a run."""
