"""Variables of a chat template, such as ``enable_thinking``: read, checked, said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from evalkit.errors import BackendError

__all__ = ["NAME", "as_json", "given_to", "refuse_unread", "template_kwargs"]

NAME = "chat_template_kwargs"
"""Name of the option and of the field that servers take, as vLLM, SGLang and llama.cpp have it."""
_OURS = frozenset(
    {
        "add_generation_prompt",
        "chat_template",
        "continue_final_message",
        "conversation",
        "documents",
        "max_length",
        "messages",
        "padding",
        "return_assistant_tokens_mask",
        "return_dict",
        "return_tensors",
        "tokenize",
        "tokenizer_kwargs",
        "tools",
        "truncation",
    }
)
"""Names that evalkit or the library sets itself."""
_LONGEST = 10_000


def template_kwargs(given: Any) -> dict[str, Any]:
    """Return the variables that an option names.

    Parameters
    ----------
    given
        A mapping, or the text of a JSON object; None or empty for none.

    Raises
    ------
    BackendError
        When it is neither, or names what is not for a user to set.

    Examples
    --------
    >>> template_kwargs('{"enable_thinking": false}'), template_kwargs(None)
    ({'enable_thinking': False}, {})
    """
    found = given or {}
    if isinstance(given, str) and given:
        try:
            found = json.loads(given) if len(given) <= _LONGEST else None
        except (ValueError, RecursionError):
            found = None
    if not isinstance(found, Mapping) or not all(
        isinstance(name, str) and name.isidentifier() for name in found
    ):
        raise BackendError(
            f"{NAME}: {str(given)[:60]!r} is not accepted; a JSON object of names and values is, "
            'such as {"enable_thinking": false}.'
        )
    if taken := sorted(_OURS & set(found)):
        raise BackendError(
            f"{NAME}: {taken[0]!r} is set by evalkit itself. Leave it out; a variable of the "
            "template's own is accepted."
        )
    return dict(found)


def as_json(variables: Mapping[str, Any]) -> str:
    """Return variables as text that is equal for equal variables; empty for none.

    Raises
    ------
    BackendError
        When a value has no form in JSON.
    """
    if not variables:
        return ""
    try:
        return json.dumps(variables, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BackendError(f"{NAME}: {error}. Write it as JSON.") from error


def given_to(variables: Mapping[str, Any]) -> list[str]:
    """Return the notice of what a chat template is given; none where it is given nothing."""
    return [f"The chat template gets {as_json(variables)}."] if variables else []


def refuse_unread(template: str, variables: Mapping[str, Any]) -> None:
    """Refuse a variable that a template never reads: it would change nothing.

    Raises
    ------
    BackendError
        Naming it, and the name in the template that it may stand for.
    """
    import jinja2

    if not variables:
        return
    try:
        tokens = list(jinja2.Environment().lex(template))
    except jinja2.TemplateSyntaxError:
        return  # said when it is rendered
    names = sorted({value for _, kind, value in tokens if kind == "name"})
    for name in variables:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else "Leave it out."
            raise BackendError(f"{NAME}: the chat template does not read {name!r}. {hint}")
