# SPDX-License-Identifier: Apache-2.0
"""Fit ATM, fold it, then fit OHB, fold it; keep only what lowers the error on other samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.family import Network
from quantvla_ros.quantization.corrections import match, observe_attention
from quantvla_ros.quantization.folding import fold_balance, fold_temperature
from quantvla_ros.quantization.teacher import TeacherRecord, chunks, encode_each
from quantvla_ros.quantization.transforms.temperature import shares_gain

Factors = dict[str, Tensor]
"""Coefficients of one attention by name: what to fold, [H] with ones for other heads, or [1]."""

Fold = Callable[[Attention, Tensor], None]

Hold = Callable[[str, Iterable[Any]], Sequence[Any]]
"""Holds things of a name that come one after the other: in memory, or on disk."""

KINDS = ("alpha", "beta")


@dataclass
class Corrections:
    """What was fitted and folded, per attention of the action head.

    A coefficient's name is ``alpha:<layer>:<head>``, ``alpha:<layer>`` where the heads share one
    temperature, or ``beta:<layer>``.

    Attributes:
        alpha: temperature per head, 1 where neutral or not kept.
        beta: output factor, 1 where neutral or not kept.
        fitted: names of those that left the neutral band, before the check on other samples.
        kept: names of those that lowered the error.
        error_plain: action error without corrections, normalized, on the validation samples.
        error_corrected: the same with the kept ones.
        logits: standard deviation of the logits per head: of the float policy ("float"), of the
            quantized one before ("plain") and after ("corrected").
    """

    alpha: dict[str, list[float]] = field(default_factory=dict)
    beta: dict[str, float] = field(default_factory=dict)
    fitted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    error_plain: float = 0.0
    error_corrected: float = 0.0
    logits: dict[str, dict[str, list[float]]] = field(default_factory=dict)


def _fold_beta(attention: Attention, factor: Tensor) -> None:
    fold_balance(attention, float(factor))


def _temperatures(
    attentions: Mapping[str, Attention], alpha: dict[str, Tensor]
) -> dict[str, Factors]:
    """Each head's temperature apart, from [H] per attention; one a layer where heads share it."""
    found = {}
    for layer, value in alpha.items():
        if shares_gain(attentions[layer]):
            found[layer] = {f"alpha:{layer}": value}
        else:
            ones = torch.ones_like(value)
            apart = torch.where(ones.diag().bool(), value, ones)
            found[layer] = {f"alpha:{layer}:{head}": alone for head, alone in enumerate(apart)}
    return _not_neutral(found)


def _balances(beta: dict[str, Tensor]) -> dict[str, Factors]:
    """The output factor [1] of each attention."""
    return _not_neutral({layer: {f"beta:{layer}": value} for layer, value in beta.items()})


def _not_neutral(found: dict[str, Factors]) -> dict[str, Factors]:
    """Attentions with factors that differ from 1; the others are left out."""
    tried = {
        layer: {name: value for name, value in factors.items() if bool((value != 1.0).any())}
        for layer, factors in found.items()
    }
    return {layer: factors for layer, factors in tried.items() if factors}


def _names(found: dict[str, Factors]) -> list[str]:
    return [name for factors in found.values() for name in factors]


def _product(factors: Factors, width: int) -> list[float]:
    """All factors of one attention in one, [width]."""
    product = torch.ones(width)
    for value in factors.values():
        product = product * value
    return [float(value) for value in product]


class _Judge:
    """Mean absolute error of a student's chunks against the teacher's.

    The student may change in its action head only.
    """

    def __init__(self, record: TeacherRecord, student: Network, hold: Hold) -> None:
        self._record = record
        self._student = student
        self._contexts = hold("validate", encode_each(student, record.validate))

    def error(self) -> float:
        record = self._record
        got = chunks(self._student, record.validate, self._contexts, record.flow)
        return float((got - record.target).abs().mean())


def _keep_what_helps(
    attention: Attention, fitted: Factors, fold: Fold, judge: _Judge, best: float
) -> tuple[Factors, float]:
    """Fold those of one attention that lower the error, and return them with the error then.

    Heads that are wrong together often help only together. So all are folded first, and stay if
    that helps. Then each is judged alone: taken out of what is folded, or put in.
    """
    before = {name: value.clone() for name, value in attention.state_dict().items()}

    def install(chosen: Factors) -> None:
        attention.load_state_dict(before)
        for factors in chosen.values():
            fold(attention, factors)

    def error_with(chosen: Factors) -> float:
        install(chosen)
        return judge.error()

    kept: Factors = {}
    together = error_with(fitted)
    if together < best:
        kept, best = fitted, together
    for name in fitted if len(fitted) > 1 else ():
        other = {n: f for n, f in fitted.items() if (n in kept) != (n == name)}
        error = error_with(other)
        # What makes no difference is not kept.
        if error < best or (error == best and name in kept):
            kept, best = other, error
    install(kept)
    return kept, best


def fit_corrections(
    record: TeacherRecord,
    student: Network,
    attentions: Mapping[str, Attention],
    kinds: Sequence[str] = KINDS,
    hold: Hold = lambda name, contexts: list(contexts),
) -> Corrections:
    """Fit and fold both corrections into `student`.

    Args:
        record: what the float network did.
        student: its quantized form, changed in place.
        attentions: of its action head, see `Family.attentions`.
        kinds: "alpha" for ATM, "beta" for OHB; in this order whatever theirs.
        hold: holds contexts, which stay valid while only the action head changes.
    """
    contexts = hold("fit", encode_each(student, record.fit))
    judge = _Judge(record, student, hold)
    result = Corrections(error_plain=judge.error())
    best = result.error_plain

    def run() -> None:
        record.path.replay(student, contexts)

    def keep(
        fitted: dict[str, Factors], fold: Fold, best: float
    ) -> tuple[dict[str, Factors], float]:
        kept = {}
        for name, factors in fitted.items():
            attention = attentions[name]
            kept[name], best = _keep_what_helps(attention, factors, fold, judge, best)
        return kept, best

    plain, outputs = observe_attention(attentions, run)
    corrected = plain
    alpha = _temperatures(attentions, match(record.logits, plain)) if "alpha" in kinds else {}
    kept_alpha, best = keep(alpha, fold_temperature, best)

    if any(kept_alpha.values()):
        corrected, outputs = observe_attention(attentions, run)
    beta = _balances(match(record.outputs, outputs)) if "beta" in kinds else {}
    kept_beta, best = keep(beta, _fold_beta, best)

    for name in attentions:
        result.alpha[name] = _product(kept_alpha.get(name, {}), len(plain[name]))
        result.beta[name] = _product(kept_beta.get(name, {}), 1)[0]
    result.fitted = _names(alpha) + _names(beta)
    result.kept = _names(kept_alpha) + _names(kept_beta)
    result.error_corrected = best
    spreads = {"float": record.logits, "plain": plain, "corrected": corrected}
    result.logits = {
        name: {kind: values[name].tolist() for kind, values in spreads.items()}
        for name in attentions
    }
    return result
