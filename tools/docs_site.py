r"""Hook of the docs site: formulas become MathML when it is built;
the tutorial notebook is executed.

A reader's browser loads nothing for either. Formulas are written as ``\(a\)`` or ``$a$`` in a
line and ``$$`` around a block (pymdownx.arithmatex finds them, latex2mathml turns them). A notebook
``docs/NAME.ipynb`` becomes the page ``NAME.md`` with its outputs; an error in a cell ends the
build.
"""

from __future__ import annotations

import html
import os
import re
import tempfile
from pathlib import Path
from typing import Any

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
SECONDS = 120
"""Longest time that one cell of a notebook may take."""


def on_page_content(content: str, **_: Any) -> str:
    """Turn every formula of a page into MathML."""
    from latex2mathml.converter import convert

    def mathml(found: re.Match[str]) -> str:
        display = "block" if found["tag"] == "div" else "inline"
        return str(convert(html.unescape(found["latex"]).strip(), display=display))

    return FORMULA.sub(mathml, content)


def on_files(files: Any, config: Any) -> Any:
    """Add a page for every notebook; the notebook itself stays there to be downloaded."""
    from mkdocs.structure.files import File

    for notebook in [one for one in files if one.src_uri.endswith(".ipynb")]:
        name = notebook.src_uri.removesuffix(".ipynb")
        text, pictures = executed(Path(notebook.abs_src_path), Path(name).name)
        files.append(File.generated(config, f"{name}.md", content=text))
        for place, content in pictures.items():
            uri = (Path(name).parent / place).as_posix()
            files.append(File.generated(config, uri, content=content))
    return files


def executed(path: Path, name: str) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown with the outputs of a run in an empty folder,
    and its pictures.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import MarkdownExporter

    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EVALKIT_HOME"] = str(Path(folder) / "home")
        client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": folder}})
        client.execute()
    text, found = MarkdownExporter().from_notebook_node(
        notebook, resources={"output_files_dir": f"{name}_files"}
    )
    said = (
        f"[Download this page as a notebook]({path.name}); its outputs were made when this site "
        "was built.\n"
    )
    first, _, rest = text.strip().partition("\n")
    outputs = {place.replace(os.sep, "/"): content for place, content in found["outputs"].items()}
    return f"{first}\n\n{said}{_without_styles(rest)}\n", outputs


def _without_styles(text: str) -> str:
    """Take away how data frames style themselves; the site has its own tables."""
    text = re.sub(r"<style scoped>.*?</style>\n?", "", text, flags=re.DOTALL)
    return text.replace('<table border="1" class="dataframe">', "<table>").replace(
        '<tr style="text-align: right;">', "<tr>"
    )


def on_config(config: Any) -> Any:
    """Say at the foot of every page which version it is of."""
    found = re.search(
        r'__version__ = "(.+?)"', Path("evalkit/__init__.py").read_text(encoding="utf-8")
    )
    if found is None:
        raise ValueError("evalkit/__init__.py: holds no __version__")
    config.copyright = f"Documentation of evalkit {found[1]}"
    return config
