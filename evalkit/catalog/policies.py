"""Gate policies: read one file whole, and the one that ships."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from evalkit.catalog.kinds import refuse_other_kind
from evalkit.catalog.paths import data_root
from evalkit.catalog.validate import record
from evalkit.catalog.yaml_file import load_yaml
from evalkit.errors import CatalogError
from evalkit.records.policy import Policy

__all__ = ["SHIPPED", "default_policy_path", "policy_path", "read_policy_file"]

SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
"""A margin relative to the baseline."""


SHIPPED = ("default", "quick")
"""Policies that ship: for releases, and for a first gate with few instances."""


def default_policy_path() -> Path:
    """Return the policy that is used when none is named."""
    return policy_path(SHIPPED[0])


def policy_path(name: str) -> Path:
    """Return the file of a policy that ships, by its name; any other name is a path.

    >>> policy_path("quick").name, str(policy_path("mine.yaml"))
    ('quick_policy.yaml', 'mine.yaml')
    """
    if name in SHIPPED and not Path(name).is_file():
        return data_root("reports") / "baselines" / f"{name}_policy.yaml"
    return Path(name)


def read_policy_file(path: Path) -> Policy:
    """Return the policy of one YAML file.

    Raises
    ------
    CatalogError
        When the file is wrong; all mistakes together, each with file and line.
    """
    problems: list[str] = []
    file = load_yaml(path, problems=problems)
    refuse_other_kind(file, "policy")
    _read_shares(file.value)
    policy, wrong = record(Policy, file.value, file=file)
    problems += wrong
    if policy is None or problems:
        raise CatalogError(problems)
    return policy


def _read_shares(value: Any) -> None:
    """Turn ``margin: 5 %`` of every rule into its numbers; anything else is left to the checks."""
    rules = value.get("rules") if isinstance(value, dict) else None
    for rule in rules if isinstance(rules, list) else []:
        margin = rule.get("margin") if isinstance(rule, dict) else None
        found = SHARE.fullmatch(margin.strip()) if isinstance(margin, str) else None
        if found:
            rule |= {"margin": float(found[1]) / 100, "relative": True}
