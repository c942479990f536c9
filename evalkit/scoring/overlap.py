"""Metrics of overlap with references: ROUGE-1, -2 and -L, token F1, SQuAD v2, sentence BLEU, chrF.

The best reference counts.

The longest common subsequence is computed bit-parallel (Hyyrö 2004, "Bit-parallel LCS-length
computation revisited"): one pass of big-integer operations per token instead of a table, so that a
hundred thousand pairs take seconds. Checked against the rouge-score package.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from evalkit.errors import ExtraMissingError
from evalkit.phrasings.subsequence import lcs_length
from evalkit.scoring.metric import Answered, Verdict
from evalkit.scoring.text import normalise

__all__ = [
    "chrf",
    "rouge_1",
    "rouge_2",
    "rouge_l",
    "rouge_l_f1",
    "rouge_n_f1",
    "rouge_tokens",
    "sentence_bleu",
    "squad_v2",
    "token_f1",
]

_TOKENS = re.compile(
    r"[a-z0-9]+"
    r"|[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf"
    r"\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|[^\W\d_a-z\u00aa-\u024f]+(?:[\u0300-\u036f\u0591-\u05c7\u064b-\u0670\u0900-\u0dff]"
    r"|[^\W\d_a-z\u00aa-\u024f])*"
)
"""Runs of ASCII letters and digits; single characters of scripts without spaces;
words of others.
"""
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def rouge_tokens(text: str, *, stem: bool = True) -> list[str]:
    """Return the tokens ROUGE counts.

    Lower-case runs of ASCII letters and digits, Porter-stemmed above three letters, as the rule
    below has it. That rule drops every other letter; here words of other alphabets are tokens, and
    so is every character of scripts that write no spaces. A text in which ASCII letters are mixed
    with accented ones keeps the tokens of the rule.

    References
    ----------
    The rule of google-research/rouge (``tokenize.py``), which the SuperNI evaluation uses with
    stemming.
    """
    tokens = _TOKENS.findall(text.lower())
    return [_stem(token) if stem and len(token) > 3 else token for token in tokens]


@lru_cache(maxsize=1)
def _stemmer() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer

    stem: Callable[[str], str] = PorterStemmer().stem
    return stem


@lru_cache(maxsize=200_000)
def _stem(token: str) -> str:
    return _stemmer()(token)


def rouge_l_f1(prediction: str, reference: str) -> float:
    """Return the F1 of ROUGE-L of two texts, a fraction; 0 when one has no token.

    Where neither has one, as of two marks, 1 when they are equal.

    Notes
    -----
    With L the longest common subsequence, precision L / len(prediction), recall L / len(reference).

    References
    ----------
    Lin 2004, "ROUGE: a package for automatic evaluation of summaries", section 3.
    """
    said, right = rouge_tokens(prediction), rouge_tokens(reference)
    if not said or not right:
        return float(not said and not right and prediction.strip() == reference.strip())
    shared = lcs_length(said, right)
    return 0.0 if shared == 0 else 2.0 * shared / (len(said) + len(right))


def rouge_n_f1(prediction: str, reference: str, n: int) -> float:
    """Return the F1 of the n-grams two texts share, a fraction; 0 when either has none.

    References
    ----------
    Lin 2004, section 2, as F1 over counts clipped to the reference.
    """
    said, right = (
        Counter(zip(*(tokens[k:] for k in range(n)), strict=False))
        for tokens in (rouge_tokens(prediction), rouge_tokens(reference))
    )
    total = said.total() + right.total()
    return 2.0 * (said & right).total() / total if said and right else 0.0


def rouge_1(answered: Answered) -> Verdict:
    """Return the best ROUGE-1 F1 over the references, with the tokens of `rouge_l`."""
    return _best(answered, lambda said, right: rouge_n_f1(said, right, 1))


def rouge_2(answered: Answered) -> Verdict:
    """Return the best ROUGE-2 F1 over the references, with the tokens of `rouge_l`."""
    return _best(answered, lambda said, right: rouge_n_f1(said, right, 2))


def rouge_l(answered: Answered) -> Verdict:
    """Return the best ROUGE-L F1 over the references; an empty text is unparsed."""
    return _best(answered, rouge_l_f1)


def token_f1(answered: Answered) -> Verdict:
    """Return the best bag-of-tokens F1 over the references (SQuAD's F1:
    lower case, no punctuation, no articles).
    """
    return _best(answered, _squad_f1)


def squad_v2(answered: Answered) -> Verdict:
    """Return SQuAD 2.0's F1, where an instance without an answer has the reference
    ``unanswerable`` and needs just that said.
    """
    if any(normalise(reference) == "unanswerable" for reference in answered.instance.references):
        said = answered.text
        if said is None:
            return Verdict(score=None, prediction=None, status="missing")
        bare = normalise(said.strip().split("\n", 1)[0])
        return Verdict(
            score=float(bare == "unanswerable"),
            prediction=bare or None,
            status="ok" if bare else "unparsed",
        )
    return _best(answered, _squad_f1)


def sentence_bleu(answered: Answered) -> Verdict:
    """Return the sentence BLEU of sacrebleu (exponential smoothing, 13a tokens) over all
    references, a fraction.

    Notes
    -----
    A score of a cell needs a value per instance, so this is sentence BLEU and not the corpus BLEU
    that translation papers print: the two differ.
    """
    return _of_sacrebleu(answered, "sentence_bleu")


def chrf(answered: Answered) -> Verdict:
    """Return the sentence chrF of sacrebleu (characters up to 6, beta 2) over all references, a
    fraction.

    References
    ----------
    Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation".
    """
    return _of_sacrebleu(answered, "sentence_chrf")


def _of_sacrebleu(answered: Answered, name: str) -> Verdict:
    text = answered.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    if not text.strip():
        return Verdict(score=0.0, prediction=None, status="unparsed")
    try:
        import sacrebleu
    except ImportError:
        raise ExtraMissingError(f"metric {name!r}", "hf") from None
    score = getattr(sacrebleu, name)(text.strip(), list(answered.instance.references)).score
    return Verdict(score=min(1.0, score / 100.0), prediction=text.strip())


def _best(answered: Answered, metric: Callable[[str, str], float]) -> Verdict:
    text = answered.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    said, references = text.strip(), answered.instance.references
    if not said:
        return Verdict(score=0.0, prediction=None, status="unparsed")
    return Verdict(
        score=max((metric(said, reference) for reference in references), default=0.0),
        prediction=normalise(said),
    )


def _squad_tokens(text: str) -> list[str]:
    bare = "".join(char for char in text.lower() if char not in string.punctuation)
    return _ARTICLES.sub(" ", bare).split()


def _squad_f1(prediction: str, reference: str) -> float:
    said, right = _squad_tokens(prediction), _squad_tokens(reference)
    if not said or not right:
        return float(said == right)
    shared = sum((Counter(said) & Counter(right)).values())
    return 0.0 if shared == 0 else 2.0 * shared / (len(said) + len(right))
