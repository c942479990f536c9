"""One reader per upstream format.

A reader is a function ``read(task: Task, data_dir: Path | None, split: str) -> list[Instance]``: it
finds its files with `evalkit.catalog.files.locate`, keeps upstream's order and texts, and raises
`CatalogError` (``file:line: ...``) for content it does not understand, `DataMissingError` when
there is no file. Ids are unique within the list.
"""
