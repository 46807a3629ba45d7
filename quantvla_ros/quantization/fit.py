# SPDX-License-Identifier: Apache-2.0
"""Fit ATM, fold it, then fit OHB, fold it; keep only what lowers the error on other samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from quantvla_ros.models.pi05 import Pi05
from quantvla_ros.quantization.corrections import (
    attentions,
    match,
    observe_attention,
)
from quantvla_ros.quantization.folding import fold_balance, fold_temperature
from quantvla_ros.quantization.teacher import TeacherRecord, chunks, encode_all

Apply = Callable[[Pi05, str, Tensor], None]

KINDS = ("alpha", "beta")


@dataclass
class Corrections:
    """What was fitted and folded, per attention of the action head.

    Attributes:
        alpha: temperature per head, 1 where neutral or not kept.
        beta: output factor, 1 where neutral or not kept.
        fitted: coefficients that left the neutral band, before the check on other samples.
        kept: names of those that lowered the error, as ``alpha:<layer>`` or ``beta:<layer>``.
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


def apply_alpha(network: Pi05, name: str, alpha: Tensor) -> None:
    """Fold the temperatures [H] of one attention."""
    fold_temperature(attentions(network.action_expert)[name], alpha)


def apply_beta(network: Pi05, name: str, beta: Tensor) -> None:
    """Fold the output factor [1] of one attention."""
    fold_balance(attentions(network.action_expert)[name], float(beta))


class _Judge:
    """Mean absolute error of a student's chunks against the teacher's.

    The student may change in its action head only.
    """

    def __init__(self, record: TeacherRecord, student: Pi05) -> None:
        self._record = record
        self._prefixes = encode_all(student, record.validate)

    def error(self, student: Pi05) -> float:
        record = self._record
        got = chunks(student, record.validate, self._prefixes, record.steps)
        return float((got - record.target).abs().mean())


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def _keep_what_helps(
    student: Pi05, fitted: dict[str, Tensor], apply: Apply, judge: _Judge, best: float
) -> tuple[dict[str, Tensor], float]:
    """Fold each coefficient that lowers the error, layer by layer, into `student`."""
    kept: dict[str, Tensor] = {}
    modules = attentions(student.action_expert)
    for name, value in fitted.items():
        if bool((value == 1.0).all()):
            continue
        before = _state(modules[name])
        apply(student, name, value)
        error = judge.error(student)
        if error < best:
            kept[name], best = value, error
        else:
            modules[name].load_state_dict(before)
    return kept, best


def fit_corrections(
    record: TeacherRecord, student: Pi05, kinds: Sequence[str] = KINDS
) -> Corrections:
    """Fit and fold both corrections into `student`.

    Args:
        record: what the float network did.
        student: its quantized form, changed in place.
        kinds: "alpha" for ATM, "beta" for OHB; in this order whatever theirs.
    """
    expert = student.action_expert
    prefixes = encode_all(student, record.fit)
    judge = _Judge(record, student)
    result = Corrections(error_plain=judge.error(student))
    best = result.error_plain

    def run() -> None:
        record.path.replay(student, prefixes)

    plain, outputs = observe_attention(expert, run)
    corrected = plain
    alpha = match(record.logits, plain) if "alpha" in kinds else {}
    kept_alpha, best = _keep_what_helps(student, alpha, apply_alpha, judge, best)

    if kept_alpha:
        corrected, outputs = observe_attention(expert, run)
    beta = match(record.outputs, outputs) if "beta" in kinds else {}
    kept_beta, best = _keep_what_helps(student, beta, apply_beta, judge, best)

    heads = student.config.heads
    for name in attentions(expert):
        result.alpha[name] = kept_alpha.get(name, torch.ones(heads)).tolist()
        result.beta[name] = float(kept_beta.get(name, torch.ones(1)))
    for kind, values, kept in (("alpha", alpha, kept_alpha), ("beta", beta, kept_beta)):
        result.fitted += [f"{kind}:{n}" for n, v in values.items() if bool((v != 1.0).any())]
        result.kept += [f"{kind}:{name}" for name in kept]
    result.error_corrected = best
    spreads = {"float": record.logits, "plain": plain, "corrected": corrected}
    result.logits = {
        name: {kind: values[name].tolist() for kind, values in spreads.items()}
        for name in attentions(expert)
    }
    return result
