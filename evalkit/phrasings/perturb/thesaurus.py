"""Words of instructions that may stand for each other wherever they occur, in the same form.

Written by hand for `evalkit.phrasings.perturb.word`: a dictionary knows senses and no contexts, and
instructions use few words in few senses. A line holds words or short phrases of one sense and form;
where a word has several uses only phrases that fix one are listed. English only.
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
reword = rephrase
rephrase = reword
arrange = order
alphabetise = put in alphabetical order
combine = join
keep in mind = bear in mind
bear in mind = keep in mind
take care = be careful
be careful = take care
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
at the start = at the beginning
at the beginning = at the start
first of all = to begin with
at once = immediately
again = once more
once more = again
often = frequently
usually = normally = generally
normally = usually
perhaps = maybe
probably = presumably
exactly = precisely
precisely = exactly
carefully = attentively
closely = carefully
briefly = in brief
quickly = fast
simply = just
entirely = completely
completely = entirely
nearly = almost
almost = nearly
kindly = please
for example = for instance
for instance = for example
in other words = put differently
according to = going by
on the basis of = based on
based on = on the basis of
with the help of = by means of
by means of = with the help of
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
nothing else = nothing more
nothing more = nothing else
and nothing else = and nothing more
anything else = anything more
anyone = anybody
somebody = someone
someone = somebody
everyone = everybody
nobody = no one
several = a number of
a number of = several
various = different
a lot of = plenty of
lots of = plenty of
enough = sufficient
the entire = the whole
entire = whole
complete sentence = full sentence
full sentence = complete sentence
complete sentences = full sentences
full sentences = complete sentences
brief = short
short answer = brief answer
short title = brief title
large = big
difficult = hard
strange = odd
funny = amusing
amusing = funny
clever = smart
suitable = fitting = appropriate
appropriate = suitable = fitting
fitting = suitable = appropriate
believable = credible
obvious = evident
well-formed = correctly formed
necessary = required
famous = well-known
error = mistake
errors = mistakes
mistake = error
mistakes = errors
kind of = type of = sort of
type of = kind of = sort of
sort of = kind of = type of
kinds of = types of
types of = kinds of
topic = theme
the aim = the goal
the goal = the aim
remark = comment
remarks = comments
comment = remark
comments = remarks
passage = excerpt
passages = excerpts
film = movie
films = movies
movie = film
movies = films
conversation = dialogue
dialogue = conversation
author = writer
writer = author
person = individual
household = home
shop = store
puzzle = riddle
riddle = puzzle
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
you get = you receive
you receive = you get
is given = is provided
are given = are provided
given below = shown below
shown below = given below
listed below = given below
listed above = given above
read the = go over the
read this = go over this
study the = examine the
think about = consider
consider = think about
imagine that = suppose that
imagine = suppose
suppose = imagine
suppose that = assume that = imagine that
assume that = suppose that
agree with each other = agree with one another
each other = one another
one another = each other
correct answer = right answer
the right answer = the correct answer
correct option = right option
right option = correct option
the correct one = the right one
the right one = the correct one
correct choice = right choice
true or not = true or untrue
word for word = verbatim
verbatim = word for word
one word = a single word
a single word = one word
a single sentence = one sentence
one line = a single line
only one = just one
just one = only one
only the = just the
just the = only the
is allowed = is permitted
are allowed = are permitted
allowed = permitted
speaks of = talks about
talks about = speaks of
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
        first, *others = [part.strip() for part in line.split("=")]
        found[first] = (*found.get(first, ()), *others)
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
