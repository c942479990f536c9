"""Read and validate tasks, phrasings, suites, models and instances."""

from evalkit.catalog.collections import is_collection_file
from evalkit.catalog.instances import (
    available_tasks,
    dataset_phrasings,
    load_instances,
    read_instances,
)
from evalkit.catalog.models import known_collections, known_tuning, load_model, model_from_lm_eval
from evalkit.catalog.phrasings import (
    load_phrasings,
    phrasings_for,
    relation,
    tuned_on_collection,
)
from evalkit.catalog.tasks import (
    beside,
    list_suites,
    list_tasks,
    load_suite,
    load_task,
    task_ids,
)

__all__ = [
    "available_tasks",
    "beside",
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
    "phrasings_for",
    "read_instances",
    "relation",
    "task_ids",
    "tuned_on_collection",
]
