# SPDX-License-Identifier: Apache-2.0
"""The backend of x86 and Arm CPUs: our kernels, compiled with inductor."""
