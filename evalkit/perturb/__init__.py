"""Room 1b: phrasing -> phrasings, by seeded rules; and instance -> instance with its choices moved.

Every rule is a pure function of (phrasing, random generator, options); `evalkit.perturb.apply` finds it by name, gives
the result its identity and collects what could not be done. Not handled here: whether the meaning survived
(`evalkit.phrasings.meaning` asks that) and what a model makes of it.
"""
