# SPDX-License-Identifier: Apache-2.0
"""The tables and pages of docs/ that records and code write."""
