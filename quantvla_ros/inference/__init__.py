# SPDX-License-Identifier: Apache-2.0
"""The worker process that owns a backend, and the shared-memory channel to it."""
