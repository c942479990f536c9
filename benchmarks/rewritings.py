"""What changes the words of a request and asks for the same answers: who always knows is always
right under each.
"""

REWRITINGS = (
    "character:rate=0.2",
    "drop:rate=0.2",
    "layout",
    "leet",
    "pig_latin",
    "random",
    "sentence",
    "shuffle",
    "word:rate=0.2,data=none",
    "wrapper",
)
