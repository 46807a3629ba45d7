# SPDX-License-Identifier: Apache-2.0
"""Motion: from chunks of actions to windows that a controller can be given, and safe stops."""
