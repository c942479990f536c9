"""Small problems in six languages, the same under the same name in each: days of the week,
and what somebody did.

The words are ours. Sentences are built so that no inflection depends on the names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from evalkit.catalog.procedural.draft import Draft, Draws

__all__ = ["FAMILIES", "LANGUAGES"]

LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "ar": "Arabic",
        "de": "German",
        "en": "English",
        "es": "Spanish",
        "fr": "French",
        "zh": "Chinese",
    }
)
"""Codes and names of the languages."""
MOST_DAYS = 20
"""Most days that are counted."""

_DAYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ar": ("الاثنين", "الثلاثاء", "الأربعاء", "الخميس", "الجمعة", "السبت", "الأحد"),
        "de": (
            *("Montag", "Dienstag", "Mittwoch", "Donnerstag"),
            *("Freitag", "Samstag", "Sonntag"),
        ),
        "en": (
            *("Monday", "Tuesday", "Wednesday", "Thursday"),
            *("Friday", "Saturday", "Sunday"),
        ),
        "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
        "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    }
)
_ASKED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "ar": (
            "اليوم هو {day}. أي يوم من الأسبوع سيكون بعد {n}؟",
            "اليوم هو {day}. أي يوم من الأسبوع كان قبل {n}؟",
        ),
        "de": (
            "Heute ist {day}. Welcher Wochentag ist in {n} Tagen?",
            "Heute ist {day}. Welcher Wochentag war vor {n} Tagen?",
        ),
        "en": (
            "Today is {day}. What day of the week will it be in {n} days?",
            "Today is {day}. What day of the week was it {n} days ago?",
        ),
        "es": (
            "Hoy es {day}. ¿Qué día de la semana será dentro de {n} días?",
            "Hoy es {day}. ¿Qué día de la semana fue hace {n} días?",
        ),
        "fr": (
            "Nous sommes {day}. Quel jour de la semaine serons-nous dans {n} jours ?",
            "Nous sommes {day}. Quel jour de la semaine étions-nous il y a {n} jours ?",
        ),
        "zh": ("今天是{day}。{n}天后是星期几？", "今天是{day}。{n}天前是星期几？"),
    }
)
"""Question for a day to come, and for one gone by."""
_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("de", "en", "es", "fr"), ("Anna", "Maria", "Sara", "Elena", "Nadia")),
        "ar": ("آنا", "ماريا", "سارة", "إيلينا", "نادية"),
        "zh": ("安娜", "玛丽亚", "萨拉", "埃琳娜", "娜迪亚"),
    }
)
_TIMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ar": ("في الصباح", "في الظهيرة", "بعد الظهر", "في المساء"),
        "de": ("Am Morgen", "Am Mittag", "Am Nachmittag", "Am Abend"),
        "en": ("In the morning", "At noon", "In the afternoon", "In the evening"),
        "es": ("Por la mañana", "A mediodía", "Por la tarde", "Por la noche"),
        "fr": ("Le matin", "À midi", "L'après-midi", "Le soir"),
        "zh": ("早上", "中午", "下午", "晚上"),
    }
)
_DID: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ar": (
            *("اشترت {who} خبزًا.", "قرأت {who} كتابًا.", "أصلحت {who} دراجة."),
            *("كتبت {who} رسالة.", "طبخت {who} حساءً.", "سقت {who} الأزهار."),
            *("طلت {who} كرسيًا.", "زارت {who} جدتها.", "غسلت {who} السيارة.", "خبزت {who} كعكة."),
        ),
        "de": (
            *("{who} kaufte Brot.", "{who} las ein Buch.", "{who} reparierte ein Fahrrad."),
            *("{who} schrieb einen Brief.", "{who} kochte eine Suppe.", "{who} goss die Blumen."),
            *("{who} strich einen Stuhl.", "{who} besuchte die Großmutter."),
            *("{who} wusch das Auto.", "{who} backte einen Kuchen."),
        ),
        "en": (
            *("{who} bought bread.", "{who} read a book.", "{who} repaired a bicycle."),
            *("{who} wrote a letter.", "{who} cooked a soup.", "{who} watered the flowers."),
            *("{who} painted a chair.", "{who} visited her grandmother."),
            *("{who} washed the car.", "{who} baked a cake."),
        ),
        "es": (
            *("{who} compró pan.", "{who} leyó un libro.", "{who} arregló una bicicleta."),
            *("{who} escribió una carta.", "{who} preparó una sopa.", "{who} regó las flores."),
            *("{who} pintó una silla.", "{who} visitó a su abuela."),
            *("{who} lavó el coche.", "{who} hizo un pastel."),
        ),
        "fr": (
            *("{who} a acheté du pain.", "{who} a lu un livre.", "{who} a réparé un vélo."),
            *("{who} a écrit une lettre.", "{who} a préparé une soupe."),
            *("{who} a arrosé les fleurs.", "{who} a peint une chaise."),
            *("{who} a rendu visite à sa grand-mère.", "{who} a lavé la voiture."),
            *("{who} a fait un gâteau.",),
        ),
        "zh": (
            *("{who}买了面包。", "{who}看了一本书。", "{who}修了自行车。", "{who}写了一封信。"),
            *("{who}煮了汤。", "{who}浇了花。", "{who}给椅子刷了漆。", "{who}看望了奶奶。"),
            *("{who}洗了车。", "{who}烤了蛋糕。"),
        ),
    }
)
"""Ten things to do, in the same order everywhere."""
_WHAT: Mapping[str, str] = MappingProxyType(
    {
        "ar": "ماذا فعلت {who} {when}؟",
        "de": "Was tat {who} {when}?",
        "en": "What did {who} do {when}?",
        "es": "¿Qué hizo {who} {when}?",
        "fr": "Qu'a fait {who} {when} ?",
        "zh": "{who}{when}做了什么？",
    }
)


def weekday(language: str, draws: Draws) -> Draft:
    """Return a question for the day some days after or before another,
    with the seven days as choices.

    Examples
    --------
    >>> weekday("de", Draws("a")).question
    'Heute ist Dienstag. Welcher Wochentag ist in 3 Tagen?'
    """
    start, n, past = draws.below(7), draws.between(2, MOST_DAYS), draws.chance(0.5)
    days = _DAYS[language]
    counted = _arabic_days(n) if language == "ar" else str(n)
    return Draft(
        question=_ASKED[language][past].format(day=days[start], n=counted),
        answer=days[(start - n if past else start + n) % 7],
        choices=days,
    )


def _arabic_days(n: int) -> str:
    """Return a number of days, whose noun is dual for two, plural to ten and singular beyond."""
    return "يومين" if n == 2 else f"{n} أيام" if n <= 10 else f"{n} يومًا"


def errand(language: str, draws: Draws) -> Draft:
    """Return a story of four sentences and the question what somebody did at one of four times.

    Examples
    --------
    >>> errand("en", Draws("a")).answer
    'Maria baked a cake.'
    """
    who = draws.below(5)
    done = draws.some(range(10), 4)
    asked = draws.below(4)
    name, times = _NAMES[language][who], _TIMES[language]
    said = [_DID[language][deed].format(who=name) for deed in done]
    told = [_told(language, when, one) for when, one in zip(times, said, strict=True)]
    gap = "" if language == "zh" else " "
    when = times[asked][0].lower() + times[asked][1:]
    return Draft(
        question=f"{gap.join(told)}\n{_WHAT[language].format(who=name, when=when)}",
        answer=said[asked],
    )


def _told(language: str, when: str, sentence: str) -> str:
    """Return a sentence with its time in front; German then has the verb before the subject.

    >>> _told("de", "Am Morgen", "Anna kaufte Brot."), _told("fr", "Le matin", "Anna a lu.")
    ('Am Morgen kaufte Anna Brot.', 'Le matin, Anna a lu.')
    """
    if language == "de":
        who, verb, rest = sentence.split(" ", 2)
        return f"{when} {verb} {who} {rest}"
    return f"{when}{'' if language == 'zh' else ' ' if language == 'ar' else ', '}{sentence}"


FAMILIES: Mapping[str, Callable[[str, Draws], Draft]] = MappingProxyType(
    {"errands": errand, "weekdays": weekday}
)
