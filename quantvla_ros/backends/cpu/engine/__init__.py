# SPDX-License-Identifier: Apache-2.0
"""The engine that carries out a policy on a CPU: its C, how it is built, and its instructions.

`operations` and `layers` make instructions, `weights` packs what they read, `library` carries them
out.
"""
