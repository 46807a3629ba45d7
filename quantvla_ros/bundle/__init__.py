# SPDX-License-Identifier: Apache-2.0
"""The policy on disk: schema, tensors, hashes, tokenizer, and what the policy observes."""
