"""Where modules of version 0.1.0 stand now.

An import of an old name is answered with the new one, for one release.

`evalkit` asks last, for what no other finder has.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["MOVED", "refuse_moved"]

_FOLDERS = {
    "mitigations": "backends.mitigations",
    "perturb": "phrasings.perturb",
    "procedural": "catalog.procedural",
    "evidence": "report.evidence",
    "gate": "gating",
    "scores": "scoring",
    "phrasings.importers": "catalog.library.importers",
    "executors": "backends",
}
"""Folders that moved whole: old -> new."""
_FILES = {
    "answers": "scoring.answers",
    "audit": "analysis.audit",
    "backends.hf_batching": "backends.hf.tree",
    "backends.hf_causal": "backends.hf.packed",
    "backends.hf_embed": "backends.hf.hidden_states",
    "backends.hf_encdec": "backends.hf.encoder_decoder",
    "backends.hf_engine": "backends.hf.engine",
    "backends.hf_files": "backends.hf.files",
    "backends.hf_generate": "backends.hf.generation",
    "backends.hf_model": "backends.hf.loading",
    "backends.hf_proof": "backends.hf.proof",
    "backends.hf_stops": "backends.hf.stops",
    "backends.hf_t5": "backends.hf.t5_attention",
    "backends.hf_tails": "backends.hf.tails",
    "backends.hf_tokens": "backends.hf.encoding",
    "backends.openai_answers": "backends.openai.answers",
    "backends.openai_client": "backends.openai.client",
    "backends.openai_faults": "backends.openai.faults",
    "backends.openai_http": "backends.openai.backend",
    "backends.openai_probe": "backends.openai.probe",
    "backends.openai_settings": "backends.openai.settings",
    "candidates": "analysis.candidates",
    "choosing": "runs.choose",
    "cli.progress": "runs.progress",
    "collect": "runs.ask",
    "compare": "analysis.compare",
    "config": "cli.config",
    "designs": "store.designs",
    "dry_run": "runs.forecast",
    "finish": "runs.finish",
    "gate_runs": "gating.runs",
    "interim": "runs.interim",
    "key_sets": "store.keys",
    "lm_eval_export": "report.lm_eval_export",
    "mitigations.adapters": "tuning.adapters",
    "mitigations.alignment": "tuning.alignment",
    "mitigations.objectives": "tuning.objectives",
    "mitigations.pairs": "tuning.pairs",
    "mitigations.training": "tuning.training",
    "mitigations.weights": "tuning.weights",
    "notebook": "runs.notebook",
    "paths": "catalog.paths",
    "phrasings.align": "catalog.library.align",
    "phrasings.collection": "catalog.library.collection",
    "phrasings.lint": "catalog.library.lint",
    "phrasings.meaning": "catalog.library.meaning",
    "phrasings.overlap": "catalog.library.overlap",
    "phrasings.patterns": "catalog.library.patterns",
    "phrasings.seen": "catalog.library.seen",
    "phrasings.training": "catalog.library.training",
    "phrasings.writing": "catalog.library.writing",
    "plan": "phrasings.prompts",
    "policy": "records.policy",
    "precision": "backends.precision",
    "prompts": "phrasings.prompts",
    "representations": "runs.representations",
    "rescore": "scoring.stored",
    "response_rows": "store.rows",
    "run": "runs.execute",
    "run_check": "runs.check",
    "rundir": "store.directory",
    "scores.answers": "scoring.answer_block",
    "selection": "runs.pick",
    "shared_cache": "store.shared_cache",
    "sizing": "analysis.sizing",
    "spending": "runs.budget",
    "standings": "analysis.standings",
    "stats.agreement": "stats.point.agreement",
    "stats.association": "stats.point.association",
    "stats.budget": "stats.planning.budget",
    "stats.budget_design": "stats.planning.budget_design",
    "stats.budget_model": "stats.planning.budget_model",
    "stats.budget_search": "stats.planning.budget_search",
    "stats.compare": "stats.comparing.compare",
    "stats.component_intervals": "stats.intervals.component_intervals",
    "stats.contrast": "stats.point.contrast",
    "stats.crossed": "stats.intervals.crossed",
    "stats.design": "stats.planning.design",
    "stats.effect": "stats.point.contrast",
    "stats.fixed_intervals": "stats.intervals.fixed_intervals",
    "stats.granularity": "stats.point.granularity",
    "stats.harm": "stats.comparing.harm",
    "stats.harm_std": "stats.comparing.harm_std",
    "stats.instances": "stats.point.instances",
    "stats.intervals": "stats.intervals.intervals",
    "stats.likelihood": "stats.point.likelihood",
    "stats.location": "stats.point.location",
    "stats.missing": "stats.point.missing",
    "stats.multiplicity": "stats.comparing.multiplicity",
    "stats.noise": "stats.intervals.noise",
    "stats.normal_order": "stats.intervals.normal_order",
    "stats.paired": "stats.comparing.paired",
    "stats.phrasing_means": "stats.point.phrasing_means",
    "stats.phrasing_only": "stats.intervals.phrasing_only",
    "stats.pivot": "stats.intervals.pivot",
    "stats.ranking": "stats.comparing.ranking",
    "stats.rates": "stats.point.rates",
    "stats.resample": "stats.intervals.resample",
    "stats.spread": "stats.point.spread",
    "stats.variance": "stats.point.variance",
    "stored_run": "runs.read",
    "templates": "phrasings.templates",
}
"""Modules that moved alone: old -> new."""
MOVED: Mapping[str, str] = MappingProxyType({**_FOLDERS, **_FILES})
"""Old dotted name -> new dotted name, both below ``evalkit``; the longest old name that fits
decides."""


def refuse_moved(module: str) -> None:
    """Raise for a module that moved, naming its new place; do nothing for any other.

    Raises
    ------
    ModuleNotFoundError
        When the module stood under this name in version 0.1.0.

    Examples
    --------
    >>> refuse_moved("evalkit.perturb.spans")
    Traceback (most recent call last):
        ...
    ModuleNotFoundError: evalkit.perturb.spans moved to evalkit.phrasings.perturb.spans in version 0.2.0. Import it from there.
    """  # noqa: E501
    parts = module.removeprefix("evalkit.").split(".")
    for count in range(len(parts), 0, -1):
        new = MOVED.get(".".join(parts[:count]))
        if new is not None:
            place = ".".join(("evalkit", new, *parts[count:]))
            raise ModuleNotFoundError(
                f"{module} moved to {place} in version 0.2.0. Import it from there.", name=module
            )
