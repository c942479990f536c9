"""What stands after ``openai:`` -> where the server is, what it is asked for and how hard.

Pure; no network.

``openai:MODEL@http://host:port/v1[,option=value...]``; without ``@URL`` the server is `PUBLIC_URL`.
Azure: ``openai:DEPLOYMENT@https://NAME.openai.azure.com,api_version=2024-10-21``.
Keys are never part of it: they come from the environment variable that the option ``key_env``
names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_type_hints
from urllib.parse import quote, unquote, urlencode, urlsplit

from evalkit.backends.template_kwargs import NAME, as_json, template_kwargs
from evalkit.errors import BackendError
from evalkit.records import ModelSpec
from evalkit.registry import unknown

__all__ = ["PUBLIC_URL", "HttpSettings", "changing_answers", "read_settings"]

PUBLIC_URL = "https://api.openai.com/v1"
"""Server that is asked when none is named."""
_ADDRESS = re.compile(r"@(localhost(?::\d+)?(?:/.*)?|[\w.-]+:\d+(?:/.*)?|[\w-]+(?:\.[\w-]+)+/.*)$")
"""An address whose ``http://`` was left out; ``NAME@20240620`` and ``@cf/NAME`` are model names."""

_APIS = ("auto", "chat", "completions")
_SCORINGS = ("auto", "tokens", "echo", "top", "text")
_CHANGING = (
    "api",
    "scoring",
    "answer_tokens",
    "reasoning_tokens",
    "any_model",
    NAME,
    "reasoning_effort",
)
"""Options that can change an answer; the others say where the server is and how hard it is
asked.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Server, model and limits; every field but `model` and `url` is an option."""

    model: str
    """Name of the model at the server."""
    url: str
    """Address up to ``/v1``, without a slash at the end."""
    key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; when it is empty no key is sent."""
    api: str = "auto"
    """``chat``, ``completions``, or ``auto``: completions unless a chat template is asked for or
    the server has none."""
    scoring: str = "auto"
    """How choices are scored: ``tokens`` (llama.cpp, SGLang), ``echo``, ``top`` (most likely first
    tokens), ``text``, or ``auto``: the first the server is able to."""
    concurrency: int = 8
    """Requests under way at once."""
    tries: int = 8
    """Attempts per request, the first included."""
    timeout: float = 60.0
    """Seconds for one attempt as a whole, however slowly the answer drips."""
    backoff: float = 1.0
    """Seconds before the second attempt; doubled with each further one, times a random factor from
    0.5 to 1."""
    longest_wait: float = 60.0
    """Most seconds between two attempts, also when the server asks for more."""
    circuit: int = 10
    """Requests that fail for good in a row before the run stops."""
    rpm: float = 0.0
    """Most requests per minute; 0 for no limit."""
    tpm: float = 0.0
    """Most prompt tokens per minute, estimated at four letters each before the answer tells; 0 for
    no limit."""
    answer_tokens: int = 16
    """Tokens a choice may be answered with when the server gives no log-probabilities."""
    price_in: float = 0.0
    """Price of a million prompt tokens."""
    price_out: float = 0.0
    """Price of a million generated tokens."""
    max_cost: float = 0.0
    """Spending at which no further request is sent; 0 for no ceiling."""
    any_model: bool = False
    """Accept answers that the server says come from another model, or another version of it."""
    reasoning_tokens: int = 2048
    """Tokens granted beyond every limit to a model that thinks before it answers."""
    chat_template_kwargs: str = ""
    """Variables of the server's chat template, a JSON object; they ask for the chat API."""
    reasoning_effort: str = ""
    """How much a model that thinks is to think, in the server's words; empty:
    as the server likes.
    """
    api_version: str = ""
    """Version of Azure's interface; when given, the address takes Azure's form."""
    key_header: str = ""
    """Header that carries the key, such as ``api-key``; empty: ``api-key`` for Azure, else
    ``authorization``."""

    @property
    def azure(self) -> bool:
        """Return whether the server speaks Azure's form of the interface."""
        host = urlsplit(self.url).hostname or ""
        return bool(self.api_version) or host.endswith(".azure.com")

    def address(self, path: str) -> str:
        """Return the address of an end such as ``chat/completions``,
        or ``/tokenize`` at the root.
        """
        if path.startswith("/"):
            return self.url.removesuffix("/v1") + path
        query = f"?{urlencode({'api-version': self.api_version})}" if self.api_version else ""
        return f"{self.url}/{path}{query}"

    def headers(self, key: str) -> dict[str, str]:
        """Return the header that carries a key; none without one."""
        name = self.key_header or ("api-key" if self.azure else "authorization")
        value = f"Bearer {key}" if name.lower() == "authorization" else key
        return {name: value} if key else {}

    @property
    def known_cost(self) -> bool:
        """Return whether prices were given."""
        return bool(self.price_in or self.price_out)


def read_settings(spec: ModelSpec) -> HttpSettings:
    """Return the settings of a model specification.

    Raises
    ------
    BackendError
        When the address or an option is not acceptable.
    """
    head, options = _split(spec.name)
    name, _, url = _at(head)
    if not name:
        raise BackendError(
            f"openai:{spec.name}: names no model; openai:MODEL@http://host:port/v1 is accepted."
        )
    if not url and (address := _ADDRESS.search(name)):
        raise BackendError(
            f"openai:{spec.name}: {address[1]!r} looks like an address without http:// or "
            f"https://, and without an address the prompts go to {PUBLIC_URL}. "
            f"Write openai:{name[: address.start()]}@http://{address[1]}."
        )
    url, version = _without_version(url or PUBLIC_URL)
    given = {**({"api_version": version} if version else {}), **options, **spec.options}
    settings = HttpSettings(model=name, url=_checked_url(url), **_typed(given))
    if settings.api_version and "/deployments/" not in settings.url:
        base = settings.url.removesuffix("/openai")
        settings = replace(settings, url=f"{base}/openai/deployments/{quote(name, safe='')}")
    _check(settings, spec)
    return settings


def changing_answers(spec: ModelSpec) -> tuple[str, dict[str, str]]:
    """Return model and options of a specification that can change an answer,
    without where the server is.

    >>> changing_answers(ModelSpec(backend="openai", name="m@http://127.0.0.1:81/v1,scoring=top"))
    ('m', {'scoring': 'top'})
    """
    settings, plain = read_settings(spec), HttpSettings(model="", url="")
    return settings.model, {
        name: str(getattr(settings, name))
        for name in _CHANGING
        if getattr(settings, name) != getattr(plain, name)
    }


def _without_version(url: str) -> tuple[str, str]:
    """Address without Azure's ``?api-version=``, and that version."""
    address, _, query = url.partition("?")
    name, _, version = query.partition("=")
    plain = version.replace("-", "").replace(".", "").isalnum()
    return (address, version) if name == "api-version" and plain else (url, "")


def _at(head: str) -> tuple[str, str, str]:
    """Model and address: split at the first ``@`` that an address follows."""
    for scheme in ("@http://", "@https://"):
        name, found, rest = head.partition(scheme)
        if found:
            return name, "@", scheme.removeprefix("@") + rest
    return head, "", ""


def _split(text: str) -> tuple[str, dict[str, str]]:
    """Take ``,option=value`` off the end of a name."""
    head, *parts = text.split(",")
    options: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals:
            raise BackendError(
                f"openai:{text}: {part!r} is no option; option=value is accepted, "
                "such as concurrency=16."
            )
        options[key.strip()] = value.strip()
    return head, options


_KEY = re.compile(
    r"(?:(?:sk|pk|rk|gsk|xai|nvapi|pplx|fw|csk|hf|r8|ghp|gho|ghs|glpat|Bearer)[-_ ]"
    r"|dapi|github_pat_|AIza|AKIA|eyJ)[A-Za-z0-9_.\-]{12,}",
    re.IGNORECASE,
)
"""How keys of known services begin, and JSON Web Tokens."""


def _checked_url(url: str) -> str:
    """Address without its last slash; anything that could carry a secret is refused."""
    parts = urlsplit(url)
    try:
        port_fine = parts.port is None or parts.port > 0
    except ValueError:
        port_fine = False
    if parts.username or parts.password or parts.query or parts.fragment:
        # the address is not shown: it may hold a secret
        raise BackendError(
            "openai: the address holds a user name, a query or a fragment; "
            "keys belong into the environment (key_env=NAME)."
        )
    if any(_KEY.match(unquote(part)) for part in parts.path.split("/")):
        raise BackendError(
            "openai: the path of the address holds what looks like a key, which would stand in "
            "messages and in the manifest; keys belong into the environment (key_env=NAME, and "
            "key_header=NAME where the server wants it in a header of its own)."
        )
    if not parts.hostname or not port_fine:
        raise BackendError(f"openai: {url!r} is no address; http://host:port/v1 is accepted.")
    return url.rstrip("/")


def _typed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options with the types of their fields; all mistakes of one kind name what is accepted."""
    types = get_type_hints(HttpSettings)
    known = [field.name for field in fields(HttpSettings) if field.name not in {"model", "url"}]
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise BackendError(f"openai: {unknown('option', name, known)}")
        found[name] = _converted(name, value, types[name])
    return found


def _converted(name: str, value: Any, kind: type) -> Any:
    if kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if str(value).lower() not in words:
            raise BackendError(f"openai: option {name} is {value!r}; true or false is accepted.")
        return words[str(value).lower()]
    if kind is str and name == "key_header" and not str(value).replace("-", "").isalnum():
        raise BackendError(
            f"openai: option {name} is {value!r}; the name of a header is accepted, "
            "such as api-key."
        )
    if name == NAME:
        return as_json(template_kwargs(value))
    try:
        return kind(value)
    except (TypeError, ValueError):
        what = "a whole number" if kind is int else "a number"
        raise BackendError(f"openai: option {name} is {value!r}; {what} is accepted.") from None


_LEAST = {"concurrency": 1, "tries": 1, "circuit": 1, "answer_tokens": 1, "reasoning_tokens": 0}


def _check(settings: HttpSettings, spec: ModelSpec) -> None:
    """Refuse values out of range."""
    for name, accepted in (("api", _APIS), ("scoring", _SCORINGS)):
        if getattr(settings, name) not in accepted:
            raise BackendError(
                f"openai: option {name} is {getattr(settings, name)!r}; accepted: "
                f"{', '.join(accepted)}."
            )
    for name, least in _LEAST.items():
        if getattr(settings, name) < least:
            raise BackendError(
                f"openai: option {name} is {getattr(settings, name)}; a whole number from {least} "
                "is accepted."
            )
    for name in (
        "timeout",
        "longest_wait",
        "backoff",
        "rpm",
        "tpm",
        "price_in",
        "price_out",
        "max_cost",
    ):
        value = getattr(settings, name)
        if not 0.0 <= value < 1e9 or (name == "timeout" and value == 0.0):
            raise BackendError(
                f"openai: option {name} is {value}; a number "
                f"{'above' if name == 'timeout' else 'from'} 0 is accepted."
            )
    if settings.max_cost and not settings.known_cost:
        raise BackendError(
            "openai: option max_cost needs prices; give price_in and price_out, "
            "each per million tokens."
        )
    for name in (NAME, "reasoning_effort"):
        if getattr(settings, name) and settings.api == "completions":
            raise BackendError(
                f"openai: option {name} needs the chat API; leave api=completions out."
            )
    if settings.api == "chat" and settings.scoring == "echo":
        raise BackendError(
            "openai: scoring=echo needs the completions API; give api=completions, "
            "or scoring=top or text."
        )
    if spec.chat_template not in {"", "none", "auto"}:
        raise BackendError(
            f"openai: chat template {spec.chat_template!r} cannot be used: "
            "the server applies its own; accepted: auto (chat API) or none."
        )
