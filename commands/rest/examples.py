"""Requests and answers as the published schema shows them."""

REQUESTS: dict[str, object] = {
    "RegisterCompany": {
        "cik": 320193,
        "name": "Apple Inc.",
        "sic": "3571",
        "country": "US",
        "tickers": ["AAPL"],
        "size_class": "large_accelerated",
    },
    "ReclassifyCompany": {"cik": 320193, "sic": "3663", "size_class": "large_accelerated"},
    "RenameCompany": {
        "cik": 1326801,
        "name": "Meta Platforms, Inc.",
        "former_names": [{"name": "Facebook Inc", "until": "2021-10-28"}],
    },
    "ChangeTickers": {"cik": 1652044, "tickers": ["GOOGL", "GOOG"]},
    "MergeCompany": {"cik": 1652044, "predecessor_cik": 1288776, "effective_on": "2015-10-02"},
    "RecordAcceptance": {
        "cik": 320193,
        "filings": [{"accession": "0000320193-23-000106", "accepted_at": "2023-11-02T22:08:27Z"}],
    },
    "ReportFiling": {
        "cik": 320193,
        "accession": "0000320193-23-000106",
        "form": "10-K",
        "filed_on": "2023-11-03",
        "accepted_at": "2023-11-02T22:08:27Z",
        "facts": [
            {
                "concept": "us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax",
                "unit": "USD",
                "start": "2022-09-25",
                "end": "2023-09-30",
                "value": 383285000000,
            },
            {"concept": "us-gaap:Assets", "unit": "USD", "end": "2023-09-30", "value": "352583000000"},
        ],
    },
    "WithdrawFiling": {
        "cik": 320193,
        "accession": "0000320193-23-000106",
        "reason": "Reported under the wrong company.",
    },
}

ACCEPTED: dict[str, object] = {
    "event_ids": [4711],
    "stream": "company-320193",
    "version": 12,
    "token": "event-4711",
}

RESULT: dict[str, object] = {"id": "event-4711", "state": "sequenced", "position": 4709, "response": None}

_INVALID: dict[str, object] = {
    "type": "urn:factfold:problem:invalid_command",
    "title": "The request cannot be carried out",
    "status": 422,
    "detail": "/facts/0/end: the period ends on 2022-09-30, before it starts on 2022-10-01",
    "code": "invalid_command",
    "request_id": "0f8fad5bd9cb469fa165708676c4bd51",
    "errors": [
        {
            "pointer": "/facts/0/end",
            "reason": "the period ends on 2022-09-30, before it starts on 2022-10-01",
            "fix": "swap or correct the dates; leave start out for an instant",
        }
    ],
    "fix": "swap or correct the dates; leave start out for an instant",
}

_UNKNOWN_COMPANY: dict[str, object] = {
    "type": "urn:factfold:problem:unknown_company",
    "title": "There is no such thing here",
    "status": 404,
    "detail": "No company with CIK 320194 is registered.",
    "code": "unknown_company",
    "request_id": "7c9e6679f3b44f0e8a3d2f6f1d6c2b1a",
    "errors": [{"pointer": "/cik", "reason": "no such company", "fix": "register the company or correct the CIK"}],
    "fix": "Send RegisterCompany for this CIK first, or correct the CIK.",
}

REFUSED: dict[int, object] = {404: _UNKNOWN_COMPANY, 422: _INVALID}

BATCH_REQUEST: list[object] = [
    {"command": "RegisterCompany", "cik": 320193, "name": "Apple Inc."},
    {"command": "WithdrawFiling", "cik": 320194, "accession": "0000320194-23-000106", "reason": "Not a filing."},
]

BATCH_RESPONSE: dict[str, object] = {
    "accepted": 1,
    "refused": 1,
    "data": [
        {
            "line": 1,
            "status": 202,
            "event_ids": [4711],
            "stream": "company-320193",
            "version": 1,
            "token": "event-4711",
        },
        {"line": 2, "status": 404, "problem": _UNKNOWN_COMPANY},
    ],
}
