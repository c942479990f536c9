"""Words of instructions that may stand for each other wherever they occur, in the same form.

Written by hand for `evalkit.phrasings.perturb.word`: a dictionary knows senses and no contexts, and
instructions use few words in few senses. A line holds words or short phrases of one sense and form;
where a word has several uses only phrases that fix one are listed. ``a = b``: b may stand for a;
``a <> b``: either for the other. English only.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["interchangeable"]

_LINES = """
pick the = choose the = select the
pick out = single out
choose one = pick one = select one
choose between = decide between
picks the = chooses the = selects the
choosing = selecting
reply with = answer with = respond with
reply only with = answer only with = respond only with
find out = work out
work out = figure out
look for = search for
decide whether = determine whether = judge whether
decide if = determine if = judge if
determine the = work out the = find the
make sure = ensure
make up = invent
leave out = omit
leaves out = omits
leaving out = omitting
left out = omitted
fill in = complete
fits best = suits best
best fits = best suits
fit the = suit the
fits the = suits the
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
shows = demonstrates
supplies = provides
provide = supply
produce = generate
compose = write
examine = inspect
assess = evaluate
compute = calculate = work out
calculate = compute = work out
classify = categorise
categorize = classify
verify = check
check whether = verify whether
check if = verify if
rewrite = reword
reword <> rephrase
arrange = order
alphabetise = put in alphabetical order
combine = join
keep in mind <> bear in mind
take care <> be careful
needs to = has to
want to = would like to
would like = want
is needed = is required
are needed = are required
is wanted = is required
get rid of = remove
remove = delete
swap = exchange
swaps = exchanges
swapped = exchanged
at the start <> at the beginning
first of all = to begin with
at once = immediately
again <> once more
often = frequently
usually = normally = generally
normally = usually
perhaps = maybe
probably = presumably
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
in other words = put differently
according to = going by
on the basis of <> based on
with the help of <> by means of
in place of = instead of
rather than = instead of
as well as = and also
apart from = aside from
because of = owing to
due to = because of
regardless of = irrespective of
in addition = moreover
whenever = every time
everything else = all else
nothing else <> nothing more
and nothing else = and nothing more
anything else = anything more
anyone = anybody
somebody <> someone
everyone = everybody
nobody = no one
several <> a number of
various = different
a lot of = plenty of
lots of = plenty of
enough = sufficient
the entire = the whole
entire = whole
complete sentence <> full sentence
complete sentences <> full sentences
brief = short
short answer = brief answer
short title = brief title
large = big
difficult = hard
strange = odd
funny <> amusing
clever = smart
suitable <> fitting <> appropriate
believable = credible
obvious = evident
well-formed = correctly formed
necessary = required
famous = well-known
error <> mistake
errors <> mistakes
kind of <> type of <> sort of
kinds of <> types of
topic = theme
the aim <> the goal
remark <> comment
remarks <> comments
passage = excerpt
passages = excerpts
film <> movie
films <> movies
conversation <> dialogue
author <> writer
person = individual
household = home
shop = store
puzzle <> riddle
expert = specialist
pupil = student
pupils = students
colleague = co-worker
employee = worker
the result of = the outcome of
the results of = the outcomes of
meaning of = sense of
in square brackets = within square brackets
below you find = below you see = below there is
you are given = you get = you receive
you get <> you receive
is given = is provided
are given = are provided
given below <> shown below
listed below = given below
listed above = given above
read the = go over the
read this = go over this
study the = examine the
think about <> consider
imagine that = suppose that
imagine <> suppose
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
word for word <> verbatim
one word <> a single word
a single sentence = one sentence
one line = a single line
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
caused = brought about
"""


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, tuple[str, ...]], re.Pattern[str]]:
    """Return what may stand for each entry, and a pattern that finds the longest entry anywhere."""
    found: dict[str, tuple[str, ...]] = {}
    for line in _LINES.strip().splitlines():
        either = "<>" in line
        entries = [part.strip() for part in line.split("<>" if either else "=")]
        for first in entries if either else entries[:1]:
            found[first] = (*found.get(first, ()), *(one for one in entries if one != first))
    longest = sorted(found, key=lambda entry: (-len(entry), entry))
    words = "|".join(re.escape(entry) for entry in longest)
    return found, re.compile(rf"(?<![\w'’.-])(?:{words})(?![\w'’(-])", re.IGNORECASE)


def interchangeable(text: str) -> list[tuple[int, str, tuple[str, ...]]]:
    """Return (start, words, what may stand for them) for every entry found in a text, left to
    right.

    >>> interchangeable("Work out the sum.")
    [(0, 'Work out', ('figure out',))]
    """
    table, pattern = _table()
    return [
        (match.start(), match.group(), table[match.group().lower()])
        for match in pattern.finditer(text)
    ]
