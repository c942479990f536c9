"""phrasing -> phrasings, by seeded rules; and instance -> instance with its choices moved.

Every rule is a pure function of (phrasing, random generator, options);
`evalkit.phrasings.perturb.apply` finds it by name, gives the result its identity and collects what
could not be done. Not handled here: whether the meaning survived (`evalkit.catalog.library.meaning`
asks that) and what a model makes of it.
"""
