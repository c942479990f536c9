"""Tables for LaTeX: every line of output is a table or a comment,
and text from outside is no command.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.cli.main import invoke
from evalkit.report.escaping import latex, latex_table


def test_text_from_outside_is_no_command() -> None:
    """Every letter that means something to LaTeX is spelt, a minus becomes one."""
    assert latex(r"\input{/etc/passwd} 5% $x$ a_b #1 ~^&") == (
        r"\textbackslash{}input\{/etc/passwd\} 5\% \$x\$ a\_b \#1 \textasciitilde{}\textasciicircum{}\&"  # noqa: E501
    )
    assert latex("−1.5") == "$-$1.5"


def test_a_table_has_rules_a_caption_and_columns_set_right() -> None:
    """Three rules of booktabs; a row that begins with a bracket is no argument of the line
    before.
    """
    made = latex_table(["a", "n"], [["[x]", "1"]], title="T_1", right=[False, True]).split("\n")

    assert made[0] == r"\begin{table}"
    assert r"\caption{T\_1}" in made
    assert r"\begin{tabular}{lr}" in made
    assert [line for line in made if "rule" in line] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"{}[x] & 1 \\" in made


def test_all_that_is_no_table_is_a_comment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of analyse, compare and leaderboard each line outside of tables begins with %,
    and without --latex none does.
    """
    table = tmp_path / "scores.csv"
    lines = ["model,task,phrasing_id,instance_id,score"]
    for model in ("m_1", "m2"):
        lines += [f"{model},t,p{p},i{i},{(p + i) % 2}" for p in range(4) for i in range(12)]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    pair = [f"{table}::m_1", f"{table}::m2"]
    runs = [
        ["analyse", str(table)],
        ["compare", str(table), str(table), "--model-a", "m_1", "--model-b", "m2"],
        ["leaderboard", *pair],
    ]
    for words in runs:
        capsys.readouterr()
        assert invoke([*words, "--latex"]) == 0
        outside, inside = [], False
        for line in capsys.readouterr().out.splitlines():
            inside = inside or line == r"\begin{table}"
            if not inside and line:
                outside.append(line)
            inside = inside and line != r"\end{table}"
        assert outside, words
        assert all(line.startswith("%") for line in outside), outside
        assert invoke(words) == 0
        assert r"\begin{table}" not in capsys.readouterr().out
