"""A figure's SVG made fit for the page.

No style attributes, no ids that clash, text in the colour of the page.
"""

from __future__ import annotations

import re

from evalkit.report.figures.canvas import COLOURS, INK

__all__ = ["inline_svg"]

_STYLE = re.compile(r' style="([^"]*)"')
_FONT = re.compile(r"(?:(?P<weight>bold|[1-9]00) )?(?P<size>[\d.]+px) (?P<family>.+)")
_NAMES = {colour: name for name, colour in COLOURS.items()}
_DROPPED = re.compile(
    r"<metadata>.*?</metadata>|<\?xml[^>]*>|<!DOCTYPE[^>]*>|<style[^>]*>.*?</style>|<!--.*?-->",
    re.DOTALL,
)


def inline_svg(svg: bytes, *, name: str, label: str) -> str:
    """Return an SVG file of a figure as an element of the page.

    Parameters
    ----------
    svg
        What `evalkit.report.figures.canvas.figure_bytes` made, text as text.
    name
        Prefix of all ids, unique on the page.
    label
        What a screen reader says; must hold no markup.

    Notes
    -----
    Under a strict Content-Security-Policy style attributes and style elements are refused, so
    declarations become presentation attributes. The ink of the house style becomes
    ``currentColor``; the colours of seen, unseen and unknown become classes, so that the page's own
    shades of them are used, dark or light.
    """
    text = _DROPPED.sub("", svg.decode("utf-8"))
    text = _STYLE.sub(_attributes, text)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = re.sub(r'\bxlink:href="data:', 'href="data:', text)
    text = text.replace(INK, "currentColor")
    box = re.search(r'viewBox="([^"]+)"', text)
    start = text.index(">", text.index("<svg")) + 1
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box.group(1) if box else ""}" '
        f'role="img" aria-label="{label}" stroke-linejoin="round">'
    )
    return head + re.sub(r"\s*\n\s*", "\n", text[start:]).strip()


def _attributes(found: re.Match[str]) -> str:
    """``style="a: b; c: d"`` as ``a="b" c="d"``."""
    out: list[str] = []
    classes: list[str] = []
    for declaration in found.group(1).split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        value = value.replace("'", "")
        font = _FONT.fullmatch(value) if key == "font" else None
        if font:
            out += [f'font-size="{font["size"]}"', 'font-family="system-ui, sans-serif"']
            out += [f'font-weight="{font["weight"]}"'] if font["weight"] else []
        elif value in _NAMES and key in {"fill", "stroke"}:
            classes.append(f"{key}-{_NAMES[value]}")
        elif key == "font-family":
            out.append('font-family="system-ui, sans-serif"')
        elif key:
            out.append(f'{key}="{value}"')
    return "".join(
        f" {attribute}" for attribute in ([f'class="{" ".join(classes)}"'] if classes else []) + out
    )
