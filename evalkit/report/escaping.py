"""Untrusted text (model names, answers, ids) made harmless for the place it is shown in."""

from __future__ import annotations

import re
from collections.abc import Sequence

from evalkit.report.terminal import shown

__all__ = [
    "csv_table",
    "github_data",
    "github_property",
    "latex",
    "latex_table",
    "markdown",
    "markdown_table",
    "plain",
    "table_in",
    "xml_text",
]

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


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\u2212": "$-$",
    "\u2013": "--",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


def latex(text: str) -> str:
    r"""Return text that LaTeX shows as it is: no command, no comment, a minus as a minus.

    >>> latex("50% of a_b \\input{x}")
    '50\\% of a\\_b \\textbackslash{}input\\{x\\}'
    """
    line = shown(text, lines=False)
    return "".join(_LATEX.get(letter, letter) for letter in line)


def latex_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str, right: Sequence[bool]
) -> str:
    """Return a table for LaTeX with the package booktabs.

    Parameters
    ----------
    columns, rows
        Headings and text cells.
    title
        Caption; empty for none.
    right
        Which columns are set right.
    """
    lines = [r"\begin{table}", r"\centering"]
    lines += [rf"\caption{{{latex(title)}}}"] if title else []
    lines.append(rf"\begin{{tabular}}{{{''.join('r' if one else 'l' for one in right)}}}")
    lines.append(r"\toprule")
    lines.append(" & ".join(map(latex, columns)) + r" \\")
    lines.append(r"\midrule")
    # a bracket that opens a row would be read as an argument of the line end before it
    lines += ["{}" + " & ".join(map(latex, row)) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def markdown_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str, right: Sequence[bool]
) -> str:
    r"""Return a table for Markdown, the title in bold above it; parameters as of `latex_table`.

    >>> print(markdown_table(["a", "n"], [["x|y", "1"]], title="", right=[False, True]))
    | a | n |
    |---|---:|
    | x\|y | 1 |
    """
    rules = ["---:" if one else "---" for one in right]
    lines = [f"| {' | '.join(markdown(cell) for cell in row)} |" for row in (columns, *rows)]
    lines.insert(1, f"|{'|'.join(rules)}|")
    return "\n".join([*([f"**{markdown(title)}**", ""] if title else []), *lines])


def csv_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str) -> str:
    """Return a table as CSV, the title as a comment above it;
    text that a spreadsheet would run is guarded.
    """
    from evalkit.store.csv_file import csv_of

    plain_minus = [[cell.replace("\u2212", "-") for cell in row] for row in rows]
    body = csv_of(list(columns), plain_minus).rstrip("\n")
    return f"# {plain(title)}\n{body}" if title else body


def table_in(
    form: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str,
    right: Sequence[bool],
) -> str:
    """Return a table in a form: ``latex``, ``markdown`` or ``csv``;
    parameters as of `latex_table`.
    """
    if form == "csv":
        return csv_table(columns, rows, title=title)
    made = latex_table if form == "latex" else markdown_table
    return made(columns, rows, title=title, right=right)


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
