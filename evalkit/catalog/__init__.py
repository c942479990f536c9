"""read and validate tasks, phrasings, suites, models and instances."""

from evalkit.catalog.collections import is_collection_file
from evalkit.catalog.instances import (
    available_tasks,
    dataset_phrasings,
    load_instances,
    task_digest,
)
from evalkit.catalog.models import known_collections, known_tuning, load_model, model_from_lm_eval
from evalkit.catalog.phrasings import load_phrasings, relation, tuned_on_collection
from evalkit.catalog.tasks import (
    list_suites,
    list_tasks,
    load_suite,
    load_task,
    suite_tasks,
    task_ids,
)

__all__ = [
    "available_tasks",
    "dataset_phrasings",
    "is_collection_file",
    "known_collections",
    "known_tuning",
    "list_suites",
    "list_tasks",
    "load_instances",
    "load_model",
    "load_phrasings",
    "load_suite",
    "load_task",
    "model_from_lm_eval",
    "relation",
    "suite_tasks",
    "task_digest",
    "task_ids",
    "tuned_on_collection",
]
