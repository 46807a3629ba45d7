# SPDX-License-Identifier: Apache-2.0
"""The backend of x86 and Arm CPUs that runs the engines' Q/DQ graphs by OpenVINO."""
