# SPDX-License-Identifier: Apache-2.0
"""Networks of one form: what a vision-language model saw and read, a diffusion transformer reads.

A vision tower and a language model work once an observation, then a *reader* attends over all that
they made; every second block of the diffusion transformer attends to that (`encode` makes its keys
and values), the blocks between to the state and the rows of the chunk (`step`). A family of this
form adds its vision tower, its order of tokens, and how its processing calls them.
"""
