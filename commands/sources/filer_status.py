"""How large filers say they are, as EDGAR and the data sets write it."""

from commands.companies.events import SizeClass

# In the order in which they count where a filer states several.
_CLASSES: dict[str, SizeClass] = {
    "1-laf": "large_accelerated",
    "large accelerated filer": "large_accelerated",
    "2-acc": "accelerated",
    "3-sra": "accelerated",
    "accelerated filer": "accelerated",
    "5-sml": "smaller_reporting",
    "smaller reporting company": "smaller_reporting",
    "4-non": "non_accelerated",
    "non-accelerated filer": "non_accelerated",
}


def size_class_of(status: str | None) -> SizeClass | None:
    """
    This will give the size class of a filer status: a code of a data set (4-NON) or EDGAR's words for the categories a
    filer is of, with <br> between them. None for anything else.
    """
    stated = {part.strip().casefold() for part in (status or "").split("<br>")}
    return next((size_class for name, size_class in _CLASSES.items() if name in stated), None)
