# SPDX-License-Identifier: Apache-2.0
"""One variant after the other; what is done lies in a folder, so that the study can go on."""

from __future__ import annotations

import math
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from calib_tools.common.output import claim_directory, read_json, write_json
from calib_tools.common.progress import Report
from studies.language_model.choice import Divergence, groups_of, left_float
from studies.language_model.network import Llama, linear_names
from studies.language_model.subject import Quantizer, fit_static, observe, perplexity
from studies.language_model.table import KIND
from studies.language_model.texts import read_texts
from studies.language_model.variants import VARIANTS, Variant
from studies.language_model.weights import load_model

FLOAT, FIT = "float", "fit"


class Run:
    """The study; everything that costs time is made when it is first needed."""

    def __init__(self, work: Path, report: Report) -> None:
        """Load the network and both texts."""
        self._report = report
        self._network, tokenizer, self._weights = load_model()
        self._texts = read_texts(tokenizer)
        claim_directory(work, {"kind": KIND, **self._weights, **self._texts.about})
        self._work = work

    def all(self) -> dict[str, Any]:
        """Everything that the record says."""
        reference = self._kept(FLOAT, lambda: {"perplexity": self._perplexity(self._network)})
        found = {v.name: self._kept(v.name, lambda v=v: self._measure(v)) for v in VARIANTS}
        for one in found.values():
            one["increase"] = one["perplexity"] / reference["perplexity"] - 1.0
        names = linear_names(self._network)
        return {
            "network": {**self._weights, "linears": len(names)},
            "texts": self._texts.about,
            "float_perplexity": reference["perplexity"],
            "variants": found,
            "fit": read_json(self._file(FIT)),
        }

    def _measure(self, variant: Variant) -> dict[str, Any]:
        quantizer = self._fitted if variant.fitted else self._plain
        kept = self._left_float(variant) if variant.float_share else []
        start = time.process_time()
        network = quantizer.whole(variant, kept)
        seconds = time.process_time() - start
        return {
            "perplexity": self._perplexity(network),
            "left_float": kept,
            "rounding_cpu_seconds": round(seconds, 1),
        }

    def _left_float(self, variant: Variant) -> list[str]:
        """Measure each group of layers alone."""
        network = self._fitted.network
        divergence: Divergence | None = None
        errors = {}
        for group in groups_of(network):
            file = self._file(f"alone-{group[0]}")
            if not file.exists():
                divergence = divergence or Divergence(network, self._texts.choice)
                modules = {name: self._fitted.layer(name, variant) for name in group}
                write_json(file, {"divergence": divergence.of(modules)})
            errors[group] = float(read_json(file)["divergence"])
        return left_float(network, errors, variant.float_share)

    @cached_property
    def _plain(self) -> Quantizer:
        self._report("observe the float network")
        return Quantizer(self._network, observe(self._network, self._texts.calibration))

    @cached_property
    def _fitted(self) -> Quantizer:
        self._report("fit transforms to static ranges")
        start = time.process_time()
        network, record = fit_static(self._network, self._plain.statistics)
        record["cpu_seconds"] = round(time.process_time() - start, 1)
        if not self._file(FIT).exists():
            write_json(self._file(FIT), record)
        self._report("observe the transformed network")
        return Quantizer(network, observe(network, self._texts.calibration))

    def _perplexity(self, network: Llama) -> float:
        return perplexity(network, self._texts.evaluation)

    def _kept(self, name: str, make: Any) -> dict[str, Any]:
        file = self._file(name)
        if not file.exists():
            self._report(name)
            write_json(file, make())
            value = read_json(file)["perplexity"]
            self._report(f"  perplexity {value:.2f}")
        found: dict[str, Any] = read_json(file)
        assert math.isfinite(found["perplexity"]), name
        return found

    def _file(self, name: str) -> Path:
        return (
            self._work / f"{name.replace(' ', '-').replace(',', '').replace('%', 'percent')}.json"
        )
