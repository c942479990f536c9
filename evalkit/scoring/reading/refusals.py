"""Does a text refuse to answer, or say that it does not know? Patterns as data, with a version.

Two kinds: a *refusal* will not answer, an *abstention* cannot. A text is one of them only where
it says so in its first sentences and gives no answer behind it. ``docs/parsing.md`` says how often
the rules are right on labelled texts.

Not handled here: whether an answer is right. A text that matches a reference is never a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

from evalkit.scoring.reading.mentions import stated_rest
from evalkit.scoring.reading.plain import plain

__all__ = ["ABSTAINS", "REFUSES", "VERSION", "refusal_of"]

VERSION = 3
"""Version of the rules; raised whenever one changes what is found."""
FIRST = 320
"""Characters at the beginning of a text in which it must refuse."""

_ACTS = (
    r"(?:answer|comply|provide|fulfil?l|do|give|support|complete|write|create|generate|"
    r"produce|respond|reply|discuss|engage|participate|continue|share|offer|process|perform|tell|"
    r"say|make|translate|summari[sz]e|classify|rate|judge|follow|carry out|proceed)"
)
_ADVERB = (
    r"(?:(?:really|simply|just|unfortunately|also|not|possibly|currently|directly"
    r"|in good conscience)\s+)*"
)
_WHAT = (
    r"(?:\s+(?:you|to|with|on|in|for|by|an?|any|the|this|that|these|those|your|such|such an?|it|"
    r"him|her|them|so|what|my|more|further|content|questions?|requests?|instructions?|tasks?|"
    r"answers?|advice|information|here|either|as|about|out)\b|\s*[.,;!?]|\s*$)"
)
_HELP = (
    r"(?:help|assist|be of help)(?:ing)?(?:\s+(?:you|with|on|there|here|out|in this)\b|\s*[.,;!?]"
    r"|\s*$)"
)

REFUSES: Mapping[str, str] = {
    "I cannot": (
        r"\b(?:i|we)\s+(?:am\s+|are\s+|'m\s+)?(?:can(?:no|\s+no|')t|can\s+not|could\s+not"
        r"|couldn't|wo(?:n't)(?:\s+be\s+able\s+to)?|will\s+not|must\s+not|may\s+not|shall\s+not"
        r"|would\s+rather\s+not"
        rf"|would\s+prefer\s+not\s+to|'d\s+rather\s+not)\s+{_ADVERB}(?:{_ACTS}{_WHAT}|{_HELP})"
    ),
    "not able": (
        r"\b(?:i|we)\s*(?:'m|'re|\s+am|\s+are)\s+(?:not\s+(?:able|allowed|permitted|comfortable"
        r"|in a position|going|willing|programmed|designed|equipped)|unable|unwilling)\s+(?:to\s+"
        rf"|with\s+)?{_ADVERB}(?:{_ACTS}(?:ing)?{_WHAT}|{_HELP})"
    ),
    "decline": (
        r"\b(?:i|we)\s+(?:must|have to|need to|will have to|would|should|respectfully"
        r"|politely)?\s*(?:respectfully\s+|politely\s+)?(?:decline|refuse|abstain|refrain)\b"
        r"(?!\s+to\s+(?:believe|accept|think))"
    ),
    "as an AI": (
        r"\bas an? (?:(?:large |ethical |responsible )?(?:ai|language"
        r"|artificial intelligence)(?: language)?(?: model| assistant)?|assistant|chatbot"
        r"|machine)\b[^.!?\n]{0,80}(?:\bcan(?:no|')t\b|\bcan not\b|\bnot\b|n't\b|\bunable\b"
        r"|\bwithout\b|\bcannot\b)"
    ),
    "against": (
        r"\b(?:(?:goes|is|would be|go) against|(?:it )?violates|not (?:in line|consistent) with"
        r"|outside(?: of)?) (?:my|our|the) (?:(?:content |ethical |safety |usage )?(?:guidelines"
        r"|polic(?:y|ies)|principles|programming|values|scope|capabilities))\b"
    ),
    "beyond": r"\b(?:beyond|outside) what i(?:'m able to| can)\b",
    "do not feel comfortable": (
        r"\b(?:i|we)\s+(?:do not|don't|would not|wouldn't) (?:feel|be) (?:comfortable|right"
        r"|able)\b"
    ),
    "no ability": (
        r"\b(?:i|we)\s+(?:do not|don't) have (?:the )?(?:ability|capability|permission"
        r"|authori[sz]ation|access)\b"
    ),
    "not appropriate": (
        r"^\W*(?:it|this|that)(?:'s| is| would be) (?:not appropriate|inappropriate"
        r"|not something i|not possible for me)\b"
    ),
    "request is": (
        r"\b(?:this|that|your) (?:request|question|instruction) (?:is|seems"
        r"|appears)\b[^.!?\n]{0,40}\b(?:inappropriate|harmful|unsafe|against|not something)\b"
    ),
    "sorry": (
        r"^\W*(?:(?:i|we)\s*(?:'m|'re|\s+am|\s+are)\s+(?:very\s+|so\s+|really\s+"
        r"|terribly\s+)?(?:sorry|afraid)|sorry|my apologies|(?:i"
        r"|we)\s+(?:do\s+)?apologi[sz]e)[\s,.;:-]*(?:but\s+|that\s+|,\s*)?(?:i|we|that|this|it"
        r"|your|no)?\s*(?:can(?:no|')t|can not|could not|couldn't|won't|will not|am not able"
        r"|'m not able|'m unable|am unable|is not something|is not possible|is beyond)\b"
        rf"(?:\s+{_ADVERB}{_ACTS}\b)?"
    ),
    "bare sorry": r"^\W*(?:(?:i|we)\s*(?:'m|'re|\s+am|\s+are)\s+)?(?:so\s+|very\s+)?sorry\W*$",
    "no": r"^\W*(?:no|nope)[,.!]\s*i\s+(?:can't|cannot|won't|will not)\s+"
    + rf"(?:{_ACTS}\b|{_HELP})",
    "german": (
        r"\b(?:ich|wir)\s+(?:kann|können|darf|möchte"
        r"|werde)\b[^.!?\n]{0,60}\bnicht\s+(?:\w+\s+){0,2}(?:helfen|beantworten|antworten"
        r"|weiterhelfen|erfüllen|ausführen|bereitstellen|unterstützen)"
        r"|\btut mir leid\b[^.!?\n]{0,40}\b(?:nicht|kein)"
    ),
    "french": (
        r"\bje\s+(?:ne\s+(?:peux|puis|suis|vais)|n['’]ai)\s+pas\b[^.!?\n]{0,60}\b(?:aider|répondre"
        r"|fournir|capable|autorisé|mesure|faire)|\bje (?:refuse|dois refuser)\b"
    ),
    "spanish": (
        r"\b(?:no\s+puedo|no\s+me\s+es\s+posible"
        r"|no\s+estoy\s+autorizad[oa])\s+(?:\w+\s+){0,3}?(?:ayudar|responder|proporcionar|cumplir"
        r"|hacer|contestar)|\blo siento\b[^.!?\n]{0,30}\bno puedo\b"
    ),
    "portuguese": r"\bnão\s+posso\s+(?:\w+\s+){0,3}?(?:ajudar|responder|fornecer|cumprir|fazer)\w*",
    "italian": r"\bnon\s+posso\s+(?:\w+\s+){0,3}?(?:aiutar|risponder|fornir|soddisfar|far)\w*",
    "russian": (
        r"\bя\s+не\s+(?:могу|буду)\s+(?:\w+\s+){0,3}?(?:помочь|ответить|отвечать|помогать"
        r"|выполнить|предоставить)"
    ),
    "chinese": (
        r"(?:我|很抱歉|抱歉|对不起|對不起)[^。！？\n]{0,12}(?:无法|無法|不能|不便|拒绝|拒絕)[^。！？\n]{0,12}(?:回答|提供|帮助|幫助|协助"
        r"|協助|完成|满足|滿足|处理|處理)"
    ),
    "japanese": r"(?:申し訳|すみません|ごめんなさい)[^。\n]{0,30}(?:できません|出来ません|いたしかね|お答えでき|お手伝いでき)",  # noqa: E501
    "turkish": r"\b(?:yardımcı\s+olamam|yanıtlayamam|cevaplayamam)\b",
    "vietnamese": r"\btôi\s+không\s+thể\s+(?:\w+\s+){0,2}?(?:giúp|trả\s+lời|cung\s+cấp|hỗ\s+trợ)",
    "polish": r"\bnie\s+mogę\s+(?:\w+\s+){0,2}?(?:pomóc|odpowiedzieć|udzielić)",
    "dutch": r"\b(?:ik\s+kan|kan\s+ik)\b[^.!?\n]{0,40}\bniet\s+(?:mee\s+)?(?:helpen|beantwoorden)",
    "arabic": r"لا\s+(?:أستطيع|يمكنني)\s+(?:\w+\s+){0,2}?(?:المساعدة|مساعدتك|الإجابة|تقديم|تنفيذ)",
    "hindi": r"(?:मैं|हम)[^।\n]{0,60}(?:नहीं\s+कर\s+सकत|नहीं\s+दे\s+सकत|असमर्थ)",
    "korean": r"(?:죄송|도와\s*드릴\s*수\s*없|답변\s*(?:해\s*)?드릴\s*수\s*없)",
}
"""What says that an answer will not be given."""

ABSTAINS: Mapping[str, str] = {
    "do not know": (
        r"^\W*(?:(?:sorry|hmm|well|honestly|unfortunately|to be honest|i'm afraid)\W+)*(?:i"
        r"|we)\s+(?:really\s+|honestly\s+|simply\s+|just\s+)?(?:do not|don't|dont|did not"
        r"|didn't)\s+(?:really\s+|actually\s+)?(?:know(?=\W*$|\s*[.,;!?]|\s+(?:the (?:correct "
        r"|right |exact )?answer|that\b|this\b|it\b|for (?:sure|certain)|which (?:of|one|option)"
        r"|how to (?:answer|do|help)|anything about|what (?:the (?:answer|question)|to say"
        r"|you mean)|enough))|have (?:an answer|enough (?:information|context|data)"
        r"|that information|any information|information))\b"
    ),
    "not sure": (
        r"^\W*(?:(?:sorry|hmm|well|honestly|unfortunately)\W+)*(?:i\s*(?:'m"
        r"| am)\s+)?(?:not\s+(?:really\s+|entirely\s+|quite\s+)?(?:sure|certain)|unsure"
        r"|uncertain)\b(?=\W*$|\s*[.;!?]|\s+(?:about (?:this|that|the answer|it)|which\b"
        r"|what (?:the answer|you)|how to\b))"
    ),
    "no idea": (
        r"^\W*(?:(?:sorry|honestly|hmm|well|frankly|to be honest)\W+)?(?:(?:i|we)\s+have\s+)?(?:no"
        r"|not the faintest|absolutely no)\s+(?:idea|clue)\b"
    ),
    "cannot tell": (
        r"^\W*(?:(?:sorry|unfortunately|well)\W+)*(?:(?:i|we|one|it|you|this|that|the (?:question"
        r"|answer))\s*)?(?:can(?:no|')t|can not|could not|couldn't|(?:is |'s )?impossible to"
        r"|(?:is |'s )?not possible to|unable to|am unable to"
        r"|am not able to)\s+(?:be\s+)?(?:\w+ly\s+)?(?:tell|say|know|determine|determined|answer"
        r"|answered|decide|decided|find|found|inferred|infer|conclude|concluded|verify"
        r"|verified)\b(?!\s+(?:that|whether it is not)\b)"
    ),
    "not enough": (
        r"^\W*(?:(?:sorry|unfortunately|well)\W+)*(?:there\s+(?:is|are)\s+)?(?:not\s+enough"
        r"|n't\s+enough|insufficient|no)\s+(?:information|context|data|details?|evidence"
        r"|answer)\b(?=\W*(?:$|to\b|is\b|in\b|given\b|provided\b|available\b|was\b|are\b|for\b"
        r"|will\b|can\b))"
    ),
    "does not say": (
        r"^\W*(?:(?:unfortunately|sorry|well)\W+)*(?:the|this)\s+(?:given\s+"
        r"|provided\s+)?(?:passage|text|context|paragraph|article|document|question"
        r"|information)\s+(?:does not|doesn't|do not|don't|did not|didn't|is not|isn't|lacks"
        r"|fails to)\s+(?:\w+ly\s+)?(?:say|state|mention|tell|specify|contain|provide|give|include"
        r"|answer|clear|indicate|answerable)\b"
    ),
    "no mention": (
        r"^\W*(?:there is no mention|(?:the|this) (?:passage|text|context|article|document)"
        r" (?:gives|contains|provides|has|makes) no (?:information|mention|answer))\b"
    ),
    "n/a": r"^\W*n/?a\W*$",
    "unanswerable": (
        r"^\W*(?:(?:it|this|the question|this question|that)\s+(?:is|cannot"
        r"|can't)\s+)?(?:be\s+)?(?:(?:unanswerable|not answerable)(?=\W*$|\s*[:,.;(]"
        r"|\s+(?:from|by|since|because|as)\b)|(?:unknowable|not specified|not stated|not mentioned"
        r"|not given|unspecified|unknown)(?:\s+(?:in|by)\s+(?:the|this)\s+\w+)?\W*$)"
    ),
    "german": (
        r"^\W*(?:(?:leider|tut mir leid)\W+)?(?:das\s+)?(?:ich\s+)?(?:weiß"
        r"|weiss)\s+(?:ich\s+)?(?:es\s+|das\s+)?(?:leider\s+)?nicht\b|^\W*keine\s+ahnung\b"
    ),
    "french": r"^\W*je\s+(?:ne\s+)?sais\s+pas\b|^\W*aucune\s+idée\b",
    "spanish": r"^\W*(?:yo\s+)?no\s+(?:lo\s+)?sé\b|^\W*ni\s+idea\b",
    "portuguese": r"^\W*(?:eu\s+)?não\s+sei\b",
    "italian": r"^\W*(?:io\s+)?non\s+(?:lo\s+)?so\b",
    "russian": r"^\W*(?:я\s+)?не\s+знаю\b",
    "chinese": (
        r"^\W*(?:我)?(?:不知道|不清楚|不确定|不確定|无法回答|無法回答)"
        r"|^(?:[^。！？\n]{0,30}[,，])?\s*(?:我)?(?:无法|無法)(?:确定|確定|判断|判斷|得知|推断|推斷)"
    ),
    "turkish": r"^\W*bilmiyorum\b",
    "vietnamese": r"^\W*tôi\s+không\s+biết\b",
    "polish": r"^\W*nie\s+wiem\b",
    "dutch": r"^\W*(?:dat\s+)?(?:ik\s+)?weet\s+(?:ik\s+)?(?:het\s+)?niet\b",
    "arabic": r"^\W*(?:(?:أنا\s+)?لا\s+أعرف|لا\s+أعلم|لا\s+أدري|لا\s+يمكن\s+تحديد)",
    "hindi": r"^\W*(?:मुझे\s+)?(?:नहीं\s+पता|पता\s+नहीं|मालूम\s+नहीं)",
    "korean": r"^\W*(?:잘\s*)?(?:모르겠|알\s*수\s*없)",
    "japanese": r"^\W*(?:わかりません|分かりません|知りません|不明です)",
}
"""What says that an answer cannot be given."""

_GOES_ON = re.compile(
    r"\b(?:but|however|that said|still|nevertheless|instead|though)\b[^.!?\n]{0,80}\b(?:here(?:'s"
    r"| is| are)|is\s*:|i (?:can|will|'ll) (?:try|guess|give)|i(?:'d| would) (?:say|guess)"
    r"|my (?:best )?guess|i think|it is|it's|answer is)\b",
    re.IGNORECASE,
)
"""A refusal that takes itself back: an answer follows."""

_QUOTED = re.compile(
    r"\b(?:said|says|replied|answered)\s*[:,]?\s*[\"“«]|[\"”»,]\s*,?\s*(?:(?:he|she|they|i"
    r"|\w+) (?:said|says|replied|answered|told|thought|asked|wrote)|(?:said|replied) )",
    re.IGNORECASE,
)
"""Speech of somebody in a story is no refusal."""
Kind: TypeAlias = Literal["refused", "abstained"]
KINDS: tuple[Kind, ...] = ("refused", "abstained")


@lru_cache(maxsize=2)
def _compiled(kind: str) -> re.Pattern[str]:
    patterns = REFUSES if kind == "refused" else ABSTAINS
    return re.compile("|".join(f"(?:{one})" for one in patterns.values()), re.IGNORECASE)


def refusal_of(text: str) -> Literal["", "refused", "abstained"]:
    """Return whether a text refuses, abstains, or neither (empty).

    Examples
    --------
    >>> refusal_of("I'm sorry, but I can't help with that."), refusal_of("I don't know.")
    ('refused', 'abstained')
    >>> refusal_of("I am sorry to hear that. How old was he?"), refusal_of("I'm afraid of spiders.")
    ('', '')
    """
    head = plain(text[: 4 * FIRST])[:FIRST]
    first = " ".join(head.split("\n\n", 1)[0].split())
    if _QUOTED.search(first):
        return ""
    for kind in KINDS:
        found = _compiled(kind).search(first)
        if found is not None:
            rest = head[found.end() :]
            return "" if any(map(str.isalnum, stated_rest(rest))) or _GOES_ON.search(head) else kind
    return ""
