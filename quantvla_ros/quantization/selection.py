# SPDX-License-Identifier: Apache-2.0
"""Which layers become integer, and with how many bits, from what each alone does to the action.

Errors of layers are taken to add up. That is only a ranking: whether a set of layers is good enough
is always measured on the whole set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from quantvla_ros.errors import QuantVLAError

MOST_REFUSED = 16  # moves that the search leaves out before it ends
FLOAT_BITS = 16  # what an entry says of a layer that stays float; 16 bits on disk


@dataclass(frozen=True)
class Option:
    """One way to hold a layer.

    Attributes:
        bits: of its weights.
        error: that it alone adds to the action.
        saved: bytes that it saves against float.
    """

    bits: int
    error: float
    saved: int


@dataclass(frozen=True)
class Move:
    """A step of one layer to fewer bits, and what the step costs and brings."""

    name: str
    bits: int
    error: float
    saved: int

    @property
    def price(self) -> float:
        """Action error for each byte saved."""
        return self.error / self.saved


def _steps_of(name: str, options: Sequence[Option]) -> list[Move]:
    """Moves along the lower convex hull, from float on: their prices never fall."""
    moves = []
    at = Option(FLOAT_BITS, 0.0, 0)
    while further := [o for o in options if o.saved > at.saved]:
        best = min(further, key=lambda o: ((o.error - at.error) / (o.saved - at.saved), -o.saved))
        moves.append(Move(name, best.bits, best.error - at.error, best.saved - at.saved))
        at = best
    return moves


def ranked_moves(options: Mapping[str, Sequence[Option]]) -> list[Move]:
    """All moves, the cheapest first; those of one layer stand in their order."""
    moves = [move for name, some in options.items() for move in _steps_of(name, some)]
    return sorted(moves, key=lambda move: move.price)  # stable: the same table, the same order


def applied(moves: Sequence[Move]) -> dict[str, int]:
    """Bits by layer after the moves; layers without a move are float and absent."""
    return {move.name: move.bits for move in moves}


def within_gate(moves: Sequence[Move], passes: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """Moves that pass together, the cheapest first; one that fails with those before is left out.

    A single move may fail where the policy itself wavers, and later ones still pass; the search
    ends after `MOST_REFUSED` of them.

    Args:
        moves: as `ranked_moves` gives them.
        passes: judges the whole set of quantized layers.

    Returns:
        Bits by layer; empty when no move passes.
    """
    if passes(applied(moves)):
        return applied(moves)
    taken: list[Move] = []
    rest, refused = list(moves), 0
    while refused < MOST_REFUSED:
        good = _longest_start(taken, rest, passes)
        taken += rest[:good]
        if good == len(rest):
            break
        failed = rest[good].name
        rest = [move for move in rest[good + 1 :] if move.name != failed]
        refused += 1
    return applied(taken)


def _longest_start(
    taken: Sequence[Move], moves: Sequence[Move], passes: Callable[[dict[str, int]], bool]
) -> int:
    """How many moves pass together with those taken before: by doubling, then by halving."""
    good, step, growing = 0, 1, True
    while step and good < len(moves):
        size = min(good + step, len(moves))
        if passes(applied([*taken, *moves[:size]])):
            good = size
        else:
            growing = False
        step = 2 * step if growing else step // 2
    return good


def within_budget(moves: Sequence[Move], held: int, budget: int) -> dict[str, int]:
    """The shortest start of the ranking that brings the policy to `budget` bytes.

    Args:
        moves: as `ranked_moves` gives them.
        held: bytes of the float policy's weights.
        budget: bytes wanted.

    Raises:
        QuantVLAError: all moves together do not reach it.
    """
    count, left = 0, held
    while left > budget:
        if count == len(moves):
            raise QuantVLAError(
                f"a budget of {budget} bytes cannot be met: the policy takes {left} bytes with "
                "every layer of the layout at its fewest bits; give more, or a wider --layout"
            )
        left -= moves[count].saved
        count += 1
    return applied(moves[:count])
