# SPDX-License-Identifier: Apache-2.0
"""The backend of x86 and Arm CPUs: a network as a list of instructions of our own engine in C."""
