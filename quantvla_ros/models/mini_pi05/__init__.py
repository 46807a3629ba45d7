# SPDX-License-Identifier: Apache-2.0
"""The bundled family: small networks after pi0.5."""
