# SPDX-License-Identifier: Apache-2.0
"""Damaged messages and files by the thousand: each must be refused, and nothing may crash."""
