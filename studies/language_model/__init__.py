# SPDX-License-Identifier: Apache-2.0
"""The quantizer on a real language model: `python -m studies.language_model`."""
