"""Untrusted text (model names, answers, ids) made harmless for the place it is shown in."""

from __future__ import annotations

import re

from evalkit.report.terminal import shown

__all__ = ["github_data", "github_property", "markdown", "plain", "xml_text"]

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(text: str, *, limit: int = 200) -> str:
    r"""Return one line for a terminal or a CI log.

    Control characters shown, workflow commands broken, long text cut.

    GitHub obeys ``::name::`` at the start of a line and ``##[name]`` anywhere in it.

    >>> plain("a\n::set-output name=x::1 \x1b[31m")
    'a : :set-output name=x: :1 \\x1b[31m'
    """
    line = shown(text, lines=False).replace("::", ": :").replace("##[", "# #[")
    return line if len(line) <= limit else line[: limit - 3] + "..."


def markdown(text: str, *, limit: int = 200) -> str:
    r"""Return text that Markdown shows as it is: no markup, links, mentions, tables or HTML.

    >>> markdown("<b>|[x](http://y) @me")
    '&lt;b&gt;\\|\\[x\\]\\(http&#58;//y\\) &#64;me'
    """
    cut = _shortened(text, limit)
    safe = cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    safe = _MARKDOWN.sub(r"\\\1", safe)
    return safe.replace("@", "&#64;").replace("://", "&#58;//").replace("www.", "www&#46;")


def _shortened(text: str, limit: int) -> str:
    line = shown(text, lines=False)
    return line if len(line) <= limit else line[: limit - 3] + "..."


def github_data(text: str) -> str:
    r"""Return the message of a GitHub workflow command.

    >>> github_data("100%\nnext")
    '100%25%0Anext'
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: str) -> str:
    r"""Return a property of a GitHub workflow command.

    >>> github_property("a:b,c")
    'a%3Ab%2Cc'
    """
    return github_data(text).replace(":", "%3A").replace(",", "%2C")


def xml_text(text: str) -> str:
    r"""Return text without the characters XML 1.0 has no place for.

    Markup is escaped by the writer.

    >>> xml_text("a\x00b")
    'a\\x00b'
    """
    return _XML.sub(lambda found: f"\\x{ord(found.group()):02x}", text)
