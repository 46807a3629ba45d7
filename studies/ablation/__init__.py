# SPDX-License-Identifier: Apache-2.0
"""What each part of the method is worth: many variants of one policy, judged alike."""
