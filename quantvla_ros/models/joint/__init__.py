# SPDX-License-Identifier: Apache-2.0
"""Networks of one form: a language model and an action expert of equal depth that attend jointly.

The language model reads images and words once (`encode`). Each layer of the expert attends to the
keys and values of the language model's layer of the same depth and to its own tokens (`step`). A
family of this form adds what makes the tokens, and how its processing calls them.
"""
