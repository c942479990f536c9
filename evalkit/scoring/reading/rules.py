"""The rules of the parser as data: every list has a name, and all together have a `VERSION`.

Each text is a regular expression. Those of `STRONG`, `WEAK`, `NEGATES` and `REJECTS_BEFORE` must
end where a label begins; those of `ASSERTS` and `REJECTS` must begin where a label ends.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ASSERTS",
    "ASSERTS_BEFORE",
    "CORRECTIONS",
    "COUNTED",
    "DESCRIBES",
    "FINAL_MARKS",
    "HYPOTHESES",
    "IDIOMS",
    "INFLECTED",
    "JOINS",
    "LEADS_ELSEWHERE",
    "NEGATES",
    "NOT_LABELS",
    "OPPOSED",
    "ORDINALS",
    "REJECTS",
    "REJECTS_BEFORE",
    "STRONG",
    "VERSION",
    "WEAK",
]

VERSION = 4
"""Version of the parser; raised whenever a rule changes what is read."""

FINAL_MARKS: Mapping[str, str] = {
    "boxed": r"\\(?:boxed|fbox)\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}",
    "tag": r"<(?:final_)?(?:answer|label|choice|option)>\s*([^<]*?)\s*(?:</[^>]*>|\Z)",
    "box marks": r"<\|begin_of_box\|>\s*([^<]*?)\s*(?:<\|end_of_box\|>|\Z)",
    "double brackets": r"\[\[\s*([^\[\]]+?)\s*\]\]",
    "four hashes": r"(?m)^####[ \t]+([^\n]+)$",
    "field": (
        r"[\"'](?:final_)?(?:answer|label|choice|option|verdict|prediction|result|class|sentiment"
        r"|output)[\"']\s*:\s*[\"']?([^\"',}\n]+)"
    ),
}
"""Marks that models put around a final answer; the last one that holds a label decides."""

_KIND = (
    r"(?:answer|choice|option|label|solution|response|verdict|classification|class|category"
    r"|sentiment|relation(?:ship)?|output|pick|result|letter|key|conclusion|decision|prediction"
    r"|one)"
)
_WHICH = (
    r"(?:(?:my|the|your|final|correct|right|best|proper|appropriate|most likely|overall|only|first"
    r"|second|first|chosen|selected)\s+)*"
)
_IS = (
    r"(?:\s*(?:[:=]|->|→|–|—|-)|\s+(?:is|are|was|be|will be|would be|would have to be|should be"
    r"|must be|has to be|might be|may be|could be|seems to be|remains)\b)"
)
_INTO = (
    r"(?:\s*[:,]|\s+(?:that|indeed|clearly|definitely|certainly|therefore|thus|then|simply"
    r"|probably|likely|most likely|actually))*(?:\s+(?:the|a|an|option|choice|letter|label|answer"
    r"|number|statement|alternative|la|le|der|die|das|opción|opcion))*"
)

STRONG: Mapping[str, str] = {
    "answer is": (
        rf"\b{_WHICH}{_KIND}(?:\s+(?:here|in this case|(?:to|of|for"
        rf"|between)\s[^.:;\n]{{1,40}}?))?{_IS}{_INTO}"
    ),
    "answer": r"(?<!\bto )\b(?:answer|option|choice|letter|alternative)\s",
    "correct": r"(?:^|\n|[.;]\s)\s*(?:correct|right|true|yes)\s*:",
    "I choose": (
        r"\b(?:i|we)(?:\s*['’](?:d|ll))?(?:\s+(?:would|will|shall|have to|must|can|do|just"
        r"|therefore|thus|then|also))*\s+(?:choose|pick|select|take|say|answer|vote for|opt for"
        r"|settle on|go (?:with|for)|lean towards?|chose|picked|selected"
        r"|going with)(?:\s*[:,])?(?:\s+(?:that\s+it\s+is|the|option|choice|letter|label|answer"
        r"|number|a|an))*"
    ),
    "going with": r"\b(?:going|go|i'?m going|let'?s go) (?:with|for)"
    r"(?:\s+(?:option|choice|letter))*",
    "classified as": (
        r"\b(?:classif(?:y|ied)(?: (?:this|it|that))?|label(?:l?ed)?(?: (?:this|it|that))?"
        r"|categori[sz]ed?(?: (?:this|it|that))?|considered|call(?:ed)?(?: (?:this|it|that))?"
        r"|judge(?:d)?(?: (?:this|it|that))?|rated?(?: (?:this|it|that))?|find (?:this|it|that|the"
        r"|the \w+|this \w+|that \w+)|deem(?:ed)?(?: (?:this|it|that))?)(?:\s+(?:as|to be|a|an))*"
    ),
    "statement is": (
        r"\b(?:statement|claim|sentence|sentences|assertion|review|hypothesis|text|tone|sentiment"
        r"|relation)\s+(?:is|are)(?:\s+(?:therefore|thus|clearly|definitely|overall|quite|a|an))*"
    ),
    "chinese": (
        r"(?:答案|选项|選項|正解|结论|結論|答え?)\s*(?:应该|應該|应|應)?\s*(?:是|为|為|选|選|は|:)?\s*(?:选项|選項)?\s*:?"
        r"|[我应應]?(?:选择?|選擇?)"
    ),
    "korean": r"(?:정답|답|답변)\s*(?:은|는|이|:)?\s*:?",
    "german": (
        r"\b(?:die\s+)?(?:richtige\s+|korrekte\s+)?(?:antwort|lösung)(?:\s*:|\s+(?:ist|lautet"
        r"|wäre))(?:\s+(?:die|der|das|option|antwort))*\s*:?|\bich\s+(?:wähle|nehme|sage"
        r"|würde\s+sagen)\s*:?"
    ),
    "french": (
        r"\b(?:la\s+)?(?:bonne\s+)?(?:réponse|option)(?:\s+(?:correcte|finale|exacte))?(?:\s*:"
        r"|\s+est)(?:\s+(?:la|le|l'option|l’option|option|donc))*\s*:?"
    ),
    "spanish": (
        r"\b(?:la\s+)?(?:respuesta|opción)(?:\s+(?:correcta|final))?(?:\s*:|\s+(?:es"
        r"|sería))(?:\s+(?:la|el|opción|letra))*\s*:?"
    ),
    "portuguese": (
        r"\b(?:a\s+)?(?:resposta|alternativa|opção)(?:\s+(?:correta|certa|final))?(?:\s*:|\s+(?:é"
        r"|seria))(?:\s+(?:a|o|opção|letra|alternativa))*\s*:?"
    ),
    "italian": (
        r"\b(?:la\s+)?(?:risposta|opzione)(?:\s+(?:corretta|giusta|esatta|finale))?(?:\s*:|\s+(?:è"
        r"|sarebbe))(?:\s+(?:la|il|opzione|lettera))*\s*:?"
    ),
    "russian": r"\b(?:правильный\s+|верный\s+)?(?:ответ|вариант)\s*(?:[:—–-]|это)?",
    "arabic": r"(?:الإجابة|الجواب|الاجابة)(?:\s+(?:الصحيحة|الصحيح|النهائية))?\s*(?:هي|هو|:)?",
    "hindi": r"(?:उत्तर|जवाब)\s*(?:है|:)?",
    "vietnamese": r"\b(?:đáp\s+án|câu\s+trả\s+lời)(?:\s+đúng)?\s*(?:là|:)?",
    "turkish": r"\b(?:doğru\s+)?(?:cevap|yanıt)\s*:?",
    "dutch": (
        r"\b(?:het\s+)?(?:juiste\s+|goede\s+|correcte\s+)?antwoord(?:\s*:|\s+is)(?:\s+(?:de|het"
        r"|optie))*"
    ),
    "polish": r"\b(?:prawidłowa\s+|poprawna\s+)?odpowiedź\s*(?:[:—–-]|to|jest)?",
}
"""What says outright that an answer follows."""

LEADS_ELSEWHERE = (
    r"\b(?:each|every|all(?: the)?|chaque|cada|jede[rs]?|second|third|fourth|other)\s+\w+"
    r"\s*(?::|\bis)?\s*$"
)
"""What looks like such words and opens a list of all answers, or names another one."""

HYPOTHESES = (
    r"\b(?:would|could|might)\s+(?:only\s+)?(?:be|have\s+been)(?:\s+an?)?\s*$",
    r"\s*(?:only\s+)?(?:if|unless)\b",
)
"""What stands before and behind a label that would be the answer in another case."""

DESCRIBES = r"\s*(?:is|are|was|were|has|refers|describes|says|talks|mentions)\b"
"""What behind an option tells about it and does not choose it."""

WEAK: Mapping[str, str] = {
    "it is": (
        r"\b(?:it|this|that|these|they|which|he|she)(?:\s*['’]s|\s+(?:is|are|was|must be|should be"
        r"|would be|has to be))(?:\s+(?:a|an|the|clearly|definitely|obviously|certainly|indeed"
        r"|therefore|option))*"
    ),
    "makes": r"\bmak(?:es|ing) (?:it|this|that|the \w+)(?: an?)?",
    "the oldest is": (
        r"\bthe (?:\w+est|best|most \w+|only \w+)(?: \w+)? (?:is|was)(?: (?:an?|the))?"
    ),
    "so": (
        r"(?:\b(?:so|hence|therefore|thus|ergo|consequently|finally|overall|in conclusion|in short"
        r"|definitely|certainly|clearly|obviously|probably|surely|in the end|ultimately|after all"
        r"|leaves|leaving|left with|means|namely|it must be|must be|only)\b\s*[,:]?|[:=]|->|→"
        r"|⇒)(?:\s+(?:a|an|the|option|choice|only))*"
    ),
}
"""What may lead to an answer, and counts where nothing is said outright."""

NEGATES: Mapping[str, str] = {
    "not": (
        r"(?:\b(?:not|never|no|nor|neither|nothing|hardly|scarcely|barely|cannot be|can not be)"
        r"|n['’]t(?:\s+be)?)(?:\s+(?:be|been|an?|the|option|choice|answer|letter|label|simply|just"
        r"|really|exactly|even|actually|considered|necessarily|entirely|quite|strictly|fully|truly"
        r"|called|labell?ed(?: as)?|(?:classed|classified|counted|described|read|seen|taken"
        r"|treated) as"
        r"|at all|any|by any means))*"
    ),
    "not think": (
        r"(?:\bnot|\bnever|n['’]t)\s+(?:think|believe|say|call|feel|find|consider|seem|look|appear"
        r"|give|show|imply|support|constitute|amount to|mean|count as|follow|establish"
        r"|see)\b(?:\s+[\w']+){0,4}?\s+"
    ),
    "no way": r"\bno way\s[^.,;:!?\n]{0,40}?",
    "not so": r"\bnot (?:the case|true|correct|right) that\s[^.,;:!?\n]{0,40}?",
    "instead of": (
        r"\b(?:rather than|instead of|as opposed to|unlike|far from|anything but|everything but"
        r"|by no means|in no way|without|against|except for the wrong|eliminate|eliminates"
        r"|eliminating|rule out|ruled out|ruling out|exclude|excluding|reject|discard"
        r"|disregard)\s*:?(?:\s+(?:an?|the|being|option|choice|options|choices))*"
    ),
}
"""What turns the label behind it into what the answer is not."""

REJECTS_BEFORE: Mapping[str, str] = {
    "wrong:": r"(?:\b(?:incorrect|wrong|false|eliminated|ruled out|not correct)\s*:|[✗✘❌✖×])",
    "so is": (
        r"\b(?:incorrect|wrong|false|out|not \w+),?\s(?:and )?(?:so|neither|nor) (?:is|are|does)"
    ),
    "or possibly": r"\(\s*or(?:\s+(?:possibly|maybe|perhaps|even))?",
    "a hint of": r"\b(?:hint|touch|bit|trace|tinge|undertone|note|dash|element)s? of(?: an?)?",
}
ASSERTS_BEFORE: Mapping[str, str] = {"check": r"[✓✔✅☑]"}
"""Verdicts that stand before a label."""

_SEP = r"^[\"'’)\]}]*\s*[(\[]?(?:[:=,–—-]|->|→)?\s*"
_TO_BE = (
    r"(?:(?:is|are|was|were|seems?|appears?|looks?|would be|must be|should be|has to be|can be"
    r"|could be|being)\s+)?(?:(?:the|my|a|an|clearly|definitely|obviously|certainly|indeed|simply"
    r"|also|therefore|thus|thus|then|most likely|likely|probably|just|all|both|each|most|slightly"
    r"|somewhat|much)\s+)*"
)

REJECTS: Mapping[str, str] = {
    "not": r"^[\"'’)\]}]*\s*(?:(?:is|are|was|were|do|does|did|can|could|would|should|seems?"
    r"|will|has|have)\s*(?:not\b|n['’]t\b|hardly\b|never\b)|cannot\b|never\b"
    r"|(?:[:=,–—-]\s*)?not (?:correct|right|true|valid|possible|the|a good|fitting|it\b)"
    r"|:\s*(?:is|does|did|can|could|would|will|has)\s*(?:not\b|n['’]t\b)"
    r"|[=–—-]\s*(?:does not|doesn['’]t)\s+(?:fit|match|apply|work|hold|qualify|answer|satisfy"
    r"|meet)\b)",
    "a sentence of its own": (
        r"^\s*\.\s*(?:incorrect|wrong|false|no|not (?:correct|right|true))\s*(?:[.!]|$)"
    ),
    "wrong": _SEP
    + _TO_BE
    + (
        r"(?:wrong|incorrect|false|no\b|out\b(?! of \d)|impossible|ruled out|eliminated|excluded"
        r"|rejected|invalid|unlikely|unsuitable|a distractor|✗|✘|❌|✖|×|错|錯|不对|不正确|falsch|faux|incorrecta?\b"  # noqa: E501
        r"|falso|неверно)"
    ),
}
"""What says behind a label that it is wrong."""

ASSERTS: Mapping[str, str] = {
    "right": _SEP
    + _TO_BE
    + (
        r"(?:right\b|correct\b|true\b|yes\b|best\b|better\b|valid\b|answer\b|correct answer"
        r"|right answer|only one|only option|one that|it\b|✓|✔|✅|☑|对|對|正确|正確|richtig|correcte?\b"  # noqa: E501
        r"|correcta\b|corretta\b|верно)"
    ),
    "a sentence of its own": r"^\.?\s*\.\s*(?:correct|right|true|yes)\s*(?:[.!]|$)",
    "fits": (
        r"^[\"'’)\]}]*\s+(?:(?:fits|matches|works|holds|applies|wins|passes|satisfies|qualifies"
        r"|it is|it must be)\b|(?:remains|survives|is left)(?=\s*(?:[.,;!]|$)))"
    ),
    "fits behind a mark": (
        r"^[\"'’)\]}]*\s*[:=–—-]\s*(?:[^\n]{0,60}?[.!]\s*this (?:one )?|this (?:one )?|it )?"
        r"(?:fits|matches|applies|wins)\b"
    ),
}
"""What says behind a label that it is the answer."""

CORRECTIONS: Mapping[str, str] = {
    "wait": (
        r"\b(?:wait|actually|scratch that|correction|on (?:a )?second (?:thoughts?|reading|look)"
        r"|on re-?reading|after (?:reconsidering|re-?\w+ing|double-?checking|checking again"
        r"|another look)|on reflection|let me (?:reconsider|re-?\w+|double-?check|correct)"
        r"|i (?:mean|meant)|i stand corrected|sorry|oops|hmm|edit|or rather|after a second look"
        r"|my mistake|strike that|i take (?:that|it) back|thinking about it (?:more|again)"
        r"|looking (?:at it )?again|on closer (?:look|inspection)|hold on|never ?mind|my bad"
        r"|(?<=[.…—–-] )oh|i (?:misread|misspoke|overlooked|miscounted|mixed up|was (?:wrong"
        r"|mistaken)))\b"
    ),
    "change to": (
        r"\b(?:change|revise|correct|switch|amend)(?:d|ed)?\s+(?:(?:it|that|this"
        r"|my (?:final )?(?:answer|choice|mind|guess))\s+)?to\b"
    ),
    "at first": (
        r"\b(?:at first(?: glance| sight)?|initially|on the surface|my (?:initial|first) \w+"
        r"|i (?:first thought|was (?:going|about|tempted) to \w+|would have said"
        r"|wanted to say))\b[^.!?\n]{0,120}?\bbut\b"
    ),
    "no": r"(?:^|[.?!…,;-]\s*|\.\.\.\s*)no\s*[,:]",
}
"""What takes back what was said before it."""

JOINS = (
    r"[\"'’)\]}.]*\s*(?:,?\s*(?:and also|and (?:it|this|that) is(?: also)?|and|or|nor"
    r"|as well as(?: for)?|&|und|oder|et|ou|y|o|和|或|与)\s+(?:also\s+|option\s+)?|[,/&、]\s*"
    r"|\s+vs\.?\s+)[\"'‘(\[{]*(?:(?:a|an|the)\s+)?"
)
"""What joins two labels into one list."""

IDIOMS: Mapping[str, str] = {
    "no idea": (
        r"\bno (?:idea|doubt|one|longer|matter|problem|more|further|reason|evidence|need"
        r"|wonder|clue)\b"
    ),
    "unsure": (
        r"\b(?:not sure|unsure|uncertain|do(?:es)?(?:n['’]t| not) (?:know|matter)|cannot (?:say"
        r"|tell)|can['’]t (?:say|tell)|hard to say|undecided|(?:no way|impossible|not possible) to"
        r" (?:say|tell|know|decide|determine))\b[^.!?\n]*"
    ),
    "between": r"\bbetween\s+\S+\s+and\s+\S+",
    "options": (
        r"\b(?:options|choices|answers|labels|alternatives|candidates) (?:are|include"
        r"|were)\b[^.!?\n]*"
    ),
}
"""Turns of speech whose words are no answer; taken out before labels are looked for."""

ORDINALS = ("first", "second", "third", "fourth", "fifth")
"""Words that name an option by its place."""

COUNTED = ("option", "choice", "sentence", "statement", "ending", "hypothesis", "candidate")
"""Words behind which a letter or a number is a label."""

INFLECTED: Mapping[str, tuple[str, ...]] = {
    "entailment": ("entail", "entails", "entailed"),
    "contradiction": ("contradict", "contradicts", "contradicted", "contradictory"),
    "duplicate": ("duplicates",),
    "paraphrase": ("paraphrases",),
    "supports": ("support", "supported"),
    "supported": ("support", "supports"),
    "refutes": ("refute", "refuted"),
    "refuted": ("refute", "refutes"),
    "notenoughinfo": ("not enough information",),
    "favor": ("favour",),
    "infavor": ("in favour",),
}
"""Label without spaces -> its other forms."""

OPPOSED = ("not", "un", "in", "im", "il", "ir", "dis")
"""What makes a label its opposite."""

NOT_LABELS = (
    r"\b(?:vitamin|plan|hepatitis|type|grade|class|group|part|section|table|figure|fig\.|step"
    r"|point|item|line|model|category|level|phase|stage|appendix|mr\.?|mrs\.?|dr\.?|no\.|page"
    r"|chapter|team|row|column|block|exhibit|schedule)\s*$"
)
"""Words before a letter that make it a name and no label."""
