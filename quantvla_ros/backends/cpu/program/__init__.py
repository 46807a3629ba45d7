# SPDX-License-Identifier: Apache-2.0
"""A policy as two lists of instructions.

Both graphs of a family are exported whole (`capture`), patterns become one operation each
(`patterns`), every operation becomes steps on tensors without memory (`lowering`), the tensors get
places in one block (`arena`), and the steps become instructions (`encoding`) that a runner carries
out (`runner`).
"""
