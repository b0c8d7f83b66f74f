import pytest

from projections.financials.classification import sector_of
from projections.financials.names import display_name


@pytest.mark.parametrize(
    ("sic", "sector"),
    [
        ("3571", "manufacturing"),
        ("5331", "retail-trade"),
        ("6021", "finance"),
        ("7372", "services"),
        ("4911", "transportation-and-utilities"),
        ("0100", "agriculture"),
        ("1311", "mining"),
        ("9995", "public-administration"),
        ("9000", None),
        (None, None),
    ],
)
def test_the_sector_is_the_sic_division(sic: str | None, sector: str | None) -> None:
    assert sector_of(sic) == sector


@pytest.mark.parametrize(
    ("filed", "shown"),
    [
        ("McDONALD’S CORPORATION", "McDONALD'S CORPORATION"),
        ("HOME DEPOT,\u00a0INC.", "HOME DEPOT, INC."),
        ("A\u200bB \u202eevil\u202c  Co", "AB evil Co"),
    ],
)
def test_a_name_is_cleaned_for_display(filed: str, shown: str) -> None:
    assert display_name(filed) == shown
