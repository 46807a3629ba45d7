# SPDX-License-Identifier: Apache-2.0
"""What a user would run a policy by instead, float and INT8, in turn on this processor."""
