"""Room 1b: phrasing -> phrasings; pure, seeded functions, one file per family."""
