"""What perturbations may not touch."""

from __future__ import annotations

import pytest

from evalkit.phrasings.perturb.spans import free_words, protected_spans, rewrite_free, substitute


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Read {{ question }} now", ["{{ question }}"]),
        ("{{ '}}' }} a", ["{{ '}}' }}"]),
        ("{% if x == '%}' %}a{% endif %}", ["{% if x == '%}' %}", "{% endif %}"]),
        ("{# note #} b", ["{# note #}"]),
        ("run `f(x)` and ```a\nb```", ["`f(x)`", "```a\nb```"]),
        ("say 'yes' or \"no\" or “maybe”", ["'yes'", '"no"', "“maybe”"]),
        ("don't and can't", []),
        ("see https://example.org/a?b=c now", ["https://example.org/a?b=c"]),
        ("mail a.b+c@x-y.example or i < 3 and j > 4", ["a.b+c@x-y.example"]),
        (
            "put it in <answer></answer> or \\boxed{}",
            ["<answer>", "</answer>", "\\boxed", "{}"],
        ),
        (
            "see [here](../a/b.md), src/main.py, final.report.pdf, www.example.com",
            ["](../a/b.md)", "src/main.py", "final.report.pdf", "www.example.com"],
        ),
        ("Read it.Then answer yes.no words", []),
        ("fill {slot} in", ["{slot}"]),
        ("A reply: A, B or (C)", ["A", "B", "C"]),
        ("Q: A: I", []),
        ("选A还是B？", ["A", "B"]),
    ],
)
def test_slots_tags_code_and_quoted_words_are_protected(text, kept):
    """Template parts of any kind, code, addresses and quoted answers are found;
    apostrophes are no quotes.
    """
    assert [text[start:end] for start, end in protected_spans(text)] == kept


def test_label_words_are_protected_by_word_and_single_letters_by_case():
    """Label A is kept where the article a is not, and yes inside yesterday is no label."""
    text = "A reply or a Yes, not yesterday: not entailment"

    assert [
        text[start:end] for start, end in protected_spans(text, ["A", "yes", "not entailment"])
    ] == ["A", "Yes", "not entailment"]


@pytest.mark.parametrize(
    ("text", "labels", "free"),
    [
        ("判断情感，回答正面、负面或中性。", ["正面", "负面", "中性"], ["判断情感"]),
        ("答えは正または誤です、正確に。", ["正", "誤"], []),
        ("选择yes或no，请写出。", ["yes", "no"], ["请写出"]),
        ("Say yes, yesterday", ["yes"], ["Say", "yesterday"]),
    ],
)
def test_labels_are_found_where_no_blank_parts_words(text, labels, free):
    """A stretch without blanks that holds a label is left alone, and so the label is."""
    assert [word.text for word in free_words(text, labels)] == free


def test_free_words_leave_out_everything_protected():
    """Only words outside slots and labels are offered for edits."""
    assert [
        word.text for word in free_words("Say yes to {{ question }} well-known", ["yes"], least=3)
    ] == ["Say", "well-known"]


def test_substitute_replaces_each_word_where_it_stands():
    """Replacing several words at once does not shift the later ones."""
    text = "one two one"
    words = free_words(text)

    assert substitute(text, {words[0]: "three", words[2]: "x"}) == "three two x"


def test_rewrite_free_leaves_protected_parts_alone():
    """A rewrite of the whole text does not reach slots."""
    assert rewrite_free("ab {{ ab }} ab", str.upper) == "AB {{ ab }} AB"
