"""Names for things that can be plugged in: one class, one instance per kind.

A registry maps a name to ``"module:attribute"`` and imports nothing until the name is used.
Built-in entries are a table; third parties add theirs through the entry-point group of the kind
(``evalkit.backends``, ``evalkit.metrics``, ``evalkit.measures``, ``evalkit.readers``,
``evalkit.mitigations``, ``evalkit.perturbations``). Both pass through `Registry.load`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from evalkit.errors import RegistryError

__all__ = [
    "BACKENDS",
    "IMPORTERS",
    "MEASURES",
    "METRICS",
    "MITIGATIONS",
    "PERTURBATIONS",
    "READERS",
    "Registry",
    "meant",
    "unknown",
]


def meant(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: what it may have meant, or a full stop.

    >>> meant("exactmatch", ["exact_match", "rouge_l"]), meant("x", ["exact_match"])
    ("; did you mean 'exact_match'? ", '. ')
    """
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}? " if close else ". "


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message about a name that is none of those known.

    >>> unknown("metric", "rouge", ["exact_match", "rouge_l"])
    "metric 'rouge' is not known; did you mean 'rouge_l'? Known: exact_match, rouge_l."
    """
    names = list(known)
    return f"{kind} {name!r} is not known{meant(name, names)}Known: {', '.join(names)}."


class Registry:
    """Names of one kind, resolved on first use.

    Parameters
    ----------
    kind
        Singular noun for messages, such as ``backend``.
    builtin
        Name to ``module:attribute``.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self._builtin = dict(builtin)
        self._targets: dict[str, tuple[str, str]] | None = None

    @property
    def group(self) -> str:
        """Name of the entry-point group third parties use."""
        return f"evalkit.{self.kind}s"

    def _all(self) -> dict[str, tuple[str, str]]:
        """Name -> (target, origin), built-ins and entry points together."""
        if self._targets is None:
            from importlib.metadata import entry_points

            targets = {name: (target, "evalkit") for name, target in self._builtin.items()}
            for point in entry_points(group=self.group):
                origin = point.dist.name if point.dist is not None else "an unnamed package"
                if point.name in targets:
                    raise RegistryError(
                        f"{self.kind} {point.name!r} is registered twice, by "
                        f"{targets[point.name][1]} and by {origin}. "
                        f"Uninstall one of them or ask {origin} to rename its entry point."
                    )
                targets[point.name] = (point.value, origin)
            self._targets = targets
        return self._targets

    def names(self) -> list[str]:
        """Return all known names, sorted."""
        return sorted(self._all())

    def origin(self, name: str) -> str:
        """Return the distribution that registered `name`."""
        return self._entry(name)[1]

    def target(self, name: str) -> str:
        """Return ``module:attribute`` of `name`; nothing is imported."""
        return self._entry(name)[0]

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def _entry(self, name: str) -> tuple[str, str]:
        entries = self._all()
        if name not in entries:
            raise RegistryError(unknown(self.kind, name, sorted(entries)))
        return entries[name]

    def load(self, name: str) -> Any:
        """Import and return what is registered under `name`.

        Raises
        ------
        RegistryError
            When the name is unknown (the closest and all known names are listed), or when what is
            registered cannot be imported.
        """
        target, origin = self._entry(name)
        module_name, _, attribute = target.partition(":")
        try:
            found: Any = importlib.import_module(module_name)
            for part in attribute.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise RegistryError(
                f"{self.kind} {name!r} of {origin} cannot be loaded from {target!r}: {error}."
            ) from error
        return found


BACKENDS = Registry(
    "backend",
    {
        "hf": "evalkit.backends.hf.backend:HFBackend",
        "scripted": "evalkit.backends.scripted:ScriptedBackend",
        "openai": "evalkit.backends.openai.backend:OpenAIBackend",
        "vllm": "evalkit.backends.vllm_engine:VLLMBackend",
        "lm-eval": "evalkit.backends.lm_eval_lm:LMEvalBackend",
    },
)
METRICS = Registry(
    "metric",
    {
        "choice_accuracy": "evalkit.scoring.choice:choice_accuracy",
        "choice_accuracy_apart": "evalkit.scoring.choice:choice_accuracy_apart",
        "choice_accuracy_norm": "evalkit.scoring.choice:choice_accuracy_norm",
        "exact_match": "evalkit.scoring.text:exact_match",
        "label_match": "evalkit.scoring.text:label_match",
        "rouge_l": "evalkit.scoring.overlap:rouge_l",
        "token_f1": "evalkit.scoring.overlap:token_f1",
        "squad_v2": "evalkit.scoring.overlap:squad_v2",
        "sentence_bleu": "evalkit.scoring.overlap:sentence_bleu",
        "all_parts": "evalkit.scoring.parts:all_parts",
        "answer_or_decline": "evalkit.scoring.declining:answer_or_decline",
        "answer_contained": "evalkit.scoring.text:answer_contained",
        "math_match": "evalkit.scoring.text:math_match",
        "chrf": "evalkit.scoring.overlap:chrf",
        "rouge_1": "evalkit.scoring.overlap:rouge_1",
        "rouge_2": "evalkit.scoring.overlap:rouge_2",
        "edit_f05": "evalkit.scoring.edits:edit_f05",
        "edit_list_f05": "evalkit.scoring.edits:edit_list_f05",
        "state_match": "evalkit.scoring.dialogue:state_match",
        "unit_tests": "evalkit.scoring.code:unit_tests",
        **{
            name: f"evalkit.scoring.constraints:{name}"
            for name in ("rules_pass", "rules_share", "rules_pass_loose", "rules_share_loose")
        },
    },
)
MEASURES = Registry(
    "measure",
    {
        "bias": "evalkit.scoring.measures:bias",
        "declining": "evalkit.scoring.declining:declining",
        "language": "evalkit.scoring.languages:language",
        "edits": "evalkit.scoring.edits:edits",
        "marker": "evalkit.scoring.measures:marker",
        "parts": "evalkit.scoring.measures:parts",
        "pattern": "evalkit.scoring.measures:pattern",
        "passage": "evalkit.scoring.measures:passage",
        "rules": "evalkit.scoring.measures:rules",
        "relation": "evalkit.scoring.relations:relation",
    },
)
READERS = Registry(
    "reader",
    {
        "mmlu": "evalkit.catalog.readers.mmlu:read",
        "bbh": "evalkit.catalog.readers.bbh:read",
        "bbq": "evalkit.catalog.readers.bbq:read",
        "superni": "evalkit.catalog.readers.superni:read",
        "bigbench": "evalkit.catalog.readers.bigbench:read",
        "glue": "evalkit.catalog.readers.glue:read",
        "squad": "evalkit.catalog.readers.squad:read",
        "translation": "evalkit.catalog.readers.translation:read",
        "math": "evalkit.catalog.readers.deepmind_math:read",
        "table": "evalkit.catalog.readers.table:read",
        "ifeval": "evalkit.catalog.readers.ifeval:read",
        "procedural": "evalkit.catalog.readers.procedural:read",
        "belebele": "evalkit.catalog.readers.crosslingual:read_belebele",
        "pawsx": "evalkit.catalog.readers.crosslingual:read_pawsx",
        "xcopa": "evalkit.catalog.readers.crosslingual:read_xcopa",
        "xnli": "evalkit.catalog.readers.crosslingual:read_xnli",
        "languages": "evalkit.catalog.readers.languages:read",
        "context": "evalkit.catalog.readers.context:read",
        "composition": "evalkit.catalog.readers.composition:read",
        "meta": "evalkit.catalog.readers.meta:read",
        "reasoning": "evalkit.catalog.readers.reasoning:read",
        "declining": "evalkit.catalog.readers.declining:read",
        "following": "evalkit.catalog.readers.following:read",
        "recast": "evalkit.catalog.readers.recast:read",
        "corrections": "evalkit.catalog.readers.corrections:read",
        "relation": "evalkit.catalog.readers.relation:read",
        "dialogue_state": "evalkit.catalog.readers.dialogue_state:read",
        "regset": "evalkit.catalog.readers.regset:read",
        "injection": "evalkit.catalog.readers.injection:read",
        "m2": "evalkit.catalog.readers.m2:read",
        "code": "evalkit.catalog.readers.code:read",
        "code_made": "evalkit.catalog.readers.code_made:read",
        "lm_eval": "evalkit.catalog.lm_eval_tasks:read",
    },
)
IMPORTERS = Registry(
    "importer",
    {
        "flan": "evalkit.catalog.library.importers.flan:import_flan",
        "promptbench": "evalkit.catalog.library.importers.promptbench:import_promptbench",
        "prompteval": "evalkit.catalog.library.importers.tables:import_prompteval",
        "promptsource": "evalkit.catalog.library.importers.promptsource:import_promptsource",
        "superni": "evalkit.catalog.library.importers.superni:import_superni",
        "table": "evalkit.catalog.library.importers.tables:import_table",
    },
)
MITIGATIONS = Registry(
    "mitigation",
    {
        "adapter": "evalkit.tuning.adapters:adapter",
        "arithmetic": "evalkit.backends.mitigations.arithmetic:arithmetic",
        "calibrate": "evalkit.backends.mitigations.calibration:calibrate",
        "conjugate": "evalkit.backends.mitigations.rewording:conjugate",
        "contrast": "evalkit.backends.mitigations.arithmetic:contrast",
        "ensemble": "evalkit.backends.mitigations.ensemble:ensemble",
        "instructive": "evalkit.backends.mitigations.instructive:instructive",
        "interpolate": "evalkit.tuning.weights:interpolate",
        "prefix": "evalkit.backends.mitigations.rewording:prefix",
        "recast": "evalkit.backends.mitigations.rewording:recast",
        "router": "evalkit.backends.mitigations.arithmetic:router",
        "rules": "evalkit.backends.mitigations.arithmetic:rules",
    },
)
PERTURBATIONS = Registry(
    "perturbation",
    {
        "back_translation": "evalkit.phrasings.perturb.semantic:BACK_TRANSLATION",
        "character": "evalkit.phrasings.perturb.character:CHARACTER",
        "defence": "evalkit.phrasings.perturb.defence:DEFENCE",
        "drop": "evalkit.phrasings.perturb.noise:DROP",
        "labels": "evalkit.phrasings.perturb.order:LABELS",
        "layout": "evalkit.phrasings.perturb.layout:LAYOUT",
        "leet": "evalkit.phrasings.perturb.cipher:LEET",
        "order": "evalkit.phrasings.perturb.order:ORDER",
        "paraphrase": "evalkit.phrasings.perturb.semantic:PARAPHRASE",
        "pig_latin": "evalkit.phrasings.perturb.cipher:PIG_LATIN",
        "random": "evalkit.phrasings.perturb.noise:RANDOM",
        "sentence": "evalkit.phrasings.perturb.sentence:SENTENCE",
        "shots": "evalkit.phrasings.perturb.shots:SHOTS",
        "shuffle": "evalkit.phrasings.perturb.noise:SHUFFLE",
        "word": "evalkit.phrasings.perturb.word:WORD",
        "wrapper": "evalkit.phrasings.perturb.wrapper:WRAPPER",
    },
)
