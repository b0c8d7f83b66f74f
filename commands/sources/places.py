"""Countries as EDGAR writes them."""

_US_STATES = frozenset({
    "AK", "AL", "AR", "AZ", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "HI", "IA", "ID", "IL", "IN", "KS", "KY", "LA",
    "MA", "MD", "ME", "MI", "MN", "MO", "MS", "MT", "NC", "ND", "NE", "NH", "NJ", "NM", "NV", "NY", "OH", "OK", "OR",
    "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VA", "VT", "WA", "WI", "WV", "WY", "X1",
})  # fmt: skip
_CANADIAN_PROVINCES = frozenset({"A0", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "B0", "Z4"})
_ABROAD = {
    "1T": "MH", "2M": "DE", "C1": "AR", "C3": "AU", "C4": "AT", "C9": "BE", "D0": "BM", "D5": "BR", "D8": "VG",
    "E9": "KY", "F3": "CL", "F4": "CN", "F5": "TW", "F8": "CO", "G7": "DK", "H9": "FI", "I0": "FR", "J3": "GR",
    "K3": "HK", "K7": "IN", "L2": "IE", "L3": "IL", "L6": "IT", "M0": "JP", "M5": "KR", "N4": "LU", "N8": "MY",
    "O5": "MX", "P7": "NL", "Q2": "NZ", "Q8": "NO", "R1": "PA", "R5": "PE", "S1": "PT", "T3": "ZA", "U0": "SG",
    "U3": "ES", "V7": "SE", "V8": "CH", "X0": "GB",
}  # fmt: skip


def country_of(code: str | None) -> str | None:
    """
    This will give the ISO 3166 country of an EDGAR state or country code, or None for a code not known here.

    EDGAR writes states of the US as usual (CA is California) and everything else in a two-character code of its own.
    """
    if not code:
        return None
    if code in _US_STATES:
        return "US"
    if code in _CANADIAN_PROVINCES:
        return "CA"
    return _ABROAD.get(code)
