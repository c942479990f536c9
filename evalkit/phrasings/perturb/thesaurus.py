"""Words of instructions that may stand for each other wherever they occur, in the same form.

Written by hand for `evalkit.phrasings.perturb.word`: a dictionary knows senses and no contexts, and
instructions use few words in few senses. A line holds words or short phrases of one sense and form;
where a word has several uses, only phrases that fix one are listed, or the words beside which it
has another (``[not after: most]``, ``[not before: it]``). ``a = b``: b may stand for a; ``a <> b``:
either for the other. English only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["interchangeable"]

_LINES = """
pick the = choose the = select the
pick out = single out
choose one = pick one = select one
choose between = decide between
picks the = chooses the = selects the
choosing = selecting [not before: between]
reply with = answer with = respond with
reply only with = answer only with = respond only with
find out = work out [not before: more]
work out = figure out [not before: to]
look for = search for
decide whether = determine whether = judge whether
decide if = determine if = judge if
determine the = work out the = find the
make sure = ensure
leave out = omit
leaves out = omits
leaving out = omitting
left out = omitted
carry out = perform
carried out = performed
go through = work through
put down = write down
write down = note down
let me know = tell me
tell whether = say whether = state whether
tell if = say if
say whether = state whether
say which = state which
say what = state what
say if = state if
mentioned = named
mentions = names
begin with = start with
begins with = starts with
begin = start
begins = starts
explain why = make clear why
supplies = provides
provide = supply
produce = generate
compose a = write a
examine = inspect
assess = evaluate
compute = calculate = work out
calculate = compute = work out
classify = categorise
categorize = classify
verify = check
check whether = verify whether
check if = verify if
rewrite the question = reword the question
rewrite the sentence = reword the sentence
reword <> rephrase
alphabetise = put in alphabetical order
combine the = join the
keep in mind <> bear in mind
take care <> be careful
needs to = has to
I want to <> I would like to
we want to <> we would like to
is needed = is required
are needed = are required
is wanted = is required
remove = delete
swap = exchange
swaps = exchanges
swapped = exchanged
first of all = to begin with
again <> once more [not before: and] [not after: and]
often = frequently
usually = normally = generally
normally = usually
perhaps = maybe
probably = presumably [not after: most]
exactly <> precisely
carefully = attentively
closely = carefully
briefly = in brief
quickly = fast
simply = just
entirely <> completely
nearly <> almost
kindly = please
for example <> for instance
in other words = in different words [not after: ,]
according to = going by [not before: whether which what]
on the basis of <> based on
with the help of <> by means of
rather than = instead of
as well as = and also
apart from = aside from
because of = owing to
due to = because of
regardless of = irrespective of
in addition = moreover
whenever = every time
everything else = all else
nothing else <> nothing more [not after: from with than]
and nothing else = and nothing more
anyone = anybody
somebody <> someone
everyone = everybody
nobody = no one
various = different
a lot of = plenty of
lots of = plenty of
is enough = is sufficient
are enough = are sufficient
enough information = sufficient information
the entire = the whole
entire = whole
complete sentence <> full sentence
complete sentences <> full sentences
brief = short [not after: in]
short answer = brief answer
short title = brief title
large = big
difficult = hard
strange = odd
funny <> amusing
clever = smart
suitable = fitting = appropriate
appropriate = suitable = fitting
believable = credible
obvious = evident
well-formed = correctly formed
necessary = required
famous = well-known
error <> mistake [not after: no an]
errors <> mistakes [not after: no]
kind of <> type of <> sort of [not before: that this it the]
kinds of <> types of
the aim <> the goal
remark = comment
remarks = comments
passage = excerpt
passages = excerpts
film <> movie
films <> movies
conversation <> dialogue
author <> writer [not after: corresponding native]
person = individual
household = home
shop = store
puzzle <> riddle
expert = specialist
pupil = student
pupils = students
my colleague = my co-worker
a colleague = a co-worker
employee = worker
the result of = the outcome of
the results of = the outcomes of
meaning of = sense of
in square brackets = within square brackets
below you find = below you see = below there is
you are given = you get = you receive
you receive = you get
is given = is provided [not before: as the]
are given = are provided
given below <> shown below
listed below = given below
listed above = given above
read the = go over the [not after: have has having had who one just]
study the = examine the
think about <> consider
imagine that = suppose that
imagine you = suppose you
suppose = imagine
suppose that = assume that = imagine that
assume that = suppose that
agree with each other = agree with one another
each other <> one another
correct answer = right answer
the right answer = the correct answer
correct option <> right option
the correct one <> the right one
correct choice = right choice
true or not = true or untrue
word for word = verbatim
one word <> a single word [not after: the exactly than only just or least] [not before: or of]
a single sentence = one sentence
one line = a single line [not after: the exactly than only just or least]
only one <> just one
only the <> just the
is allowed = is permitted
are allowed = are permitted
allowed = permitted
speaks of <> talks about
deals with = is about
refers to = points to
refer to = point to
stands for = represents
stand for = represent
depends on = hinges on
caused = brought about [not before: it them]
"""


_UNLESS = re.compile(r"\s*\[not (after|before): ([^\]]*)\]")
_LAST = re.compile(r"(?:[\w'’]+|,)(?=\s+\Z)")
_FIRST = re.compile(r"\s+([\w'’]+)")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What may stand for some words, and beside which words it may not."""

    others: tuple[str, ...]
    """In order of likeness."""
    after: frozenset[str]
    """Words, or a comma, that may not stand before them."""
    before: frozenset[str]
    """Words that may not follow."""

    def fits(self, text: str, start: int, end: int) -> bool:
        """Whether nothing beside a place in a text gives its words another sense."""
        left = _LAST.search(text[max(0, start - 40) : start])
        right = _FIRST.match(text[end:])
        return not (
            (left and left.group().lower() in self.after)
            or (right and right.group(1).lower() in self.before)
        )


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, _Entry], re.Pattern[str]]:
    """Return what may stand for each entry, and a pattern that finds the longest entry anywhere."""
    found: dict[str, _Entry] = {}
    for line in _LINES.strip().splitlines():
        unless = {place: frozenset(words.split()) for place, words in _UNLESS.findall(line)}
        beside = [unless.get(place, frozenset()) for place in ("after", "before")]
        either = "<>" in line
        words = [part.strip() for part in _UNLESS.sub("", line).split("<>" if either else "=")]
        for first in words if either else words[:1]:
            known = found[first.lower()].others if first.lower() in found else ()
            others = (*known, *(one for one in words if one != first))
            found[first.lower()] = _Entry(others, *beside)
    longest = sorted(found, key=lambda entry: (-len(entry), entry))
    any_of = "|".join(re.escape(entry) for entry in longest)
    return found, re.compile(rf"(?<![\w'’.-])(?<!\w\()(?:{any_of})(?![\w'’(-])", re.IGNORECASE)


def interchangeable(text: str) -> list[tuple[int, str, tuple[str, ...]]]:
    """Return (start, words, what may stand for them) for every entry found in a text, left to
    right.

    >>> interchangeable("Work out the sum.")
    [(0, 'Work out', ('figure out',))]
    """
    table, pattern = _table()
    return [
        (match.start(), match.group(), entry.others)
        for match in pattern.finditer(text)
        if (entry := table[match.group().lower()]).fits(text, match.start(), match.end())
    ]
