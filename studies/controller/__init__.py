# SPDX-License-Identifier: Apache-2.0
"""What real trajectory controllers make of the windows that a policy node publishes."""
