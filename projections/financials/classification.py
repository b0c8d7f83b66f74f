"""SIC codes to sectors: the ten divisions of the Standard Industrial Classification."""

_DIVISIONS = (
    (range(1, 10), "agriculture"),
    (range(10, 15), "mining"),
    (range(15, 18), "construction"),
    (range(20, 40), "manufacturing"),
    (range(40, 50), "transportation-and-utilities"),
    (range(50, 52), "wholesale-trade"),
    (range(52, 60), "retail-trade"),
    (range(60, 68), "finance"),
    (range(70, 90), "services"),
    (range(91, 100), "public-administration"),
)

SECTORS = tuple(name for _, name in _DIVISIONS)


def sector_of(sic: str | None) -> str | None:
    """The division a four-digit SIC code belongs to; None where there is no code or no division for it."""
    if sic is None:
        return None
    major_group = int(sic[:2])
    return next((name for span, name in _DIVISIONS if major_group in span), None)
