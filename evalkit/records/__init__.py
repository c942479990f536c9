"""The nouns: specifications that a person writes, records that travel the corridor.

No behaviour beyond identity.
"""

from evalkit.records.asks import Alternates, Ask, Hint
from evalkit.records.cells import (
    Estimate,
    Instance,
    Prompt,
    Request,
    Response,
    Score,
    State,
    Status,
    repeat_key,
    seed_of,
)
from evalkit.records.digests import as_json, digest, instances_digest
from evalkit.records.jobs import KEY_LENGTH, Arrangement, Block, Job
from evalkit.records.specifications import (
    Kind,
    LabelSpace,
    Layout,
    Meaning,
    ModelSpec,
    Phrasing,
    Position,
    Seen,
    Source,
    Stratum,
    Suite,
    Task,
    Wrapper,
)

__all__ = [
    "KEY_LENGTH",
    "Alternates",
    "Arrangement",
    "Ask",
    "Block",
    "Estimate",
    "Hint",
    "Instance",
    "Job",
    "Kind",
    "LabelSpace",
    "Layout",
    "Meaning",
    "ModelSpec",
    "Phrasing",
    "Position",
    "Prompt",
    "Request",
    "Response",
    "Score",
    "Seen",
    "Source",
    "State",
    "Status",
    "Stratum",
    "Suite",
    "Task",
    "Wrapper",
    "as_json",
    "digest",
    "instances_digest",
    "repeat_key",
    "seed_of",
]
