"""Every command that can be sent and every event that can happen."""

from collections.abc import Callable
from typing import Any

import msgspec

from commands.companies import (
    change_tickers,
    merge_company,
    reclassify_company,
    record_acceptance,
    register_company,
    rename_company,
)
from commands.companies import events as company_events
from commands.filings import events as filing_events
from commands.filings import report_filing, withdraw_filing
from commands.messages import Event
from commands.situation import Situation


class CommandDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """
    A command: its type, how it is checked before anything is locked, and how it is decided.

    `checked` returns the command in canonical form; `decide` is pure. Both raise CommandError.
    """

    type: type
    checked: Callable[[Any], Any]
    decide: Callable[[Situation, Any], list[Event]]
    opens_stream: bool = False


COMMANDS: dict[str, CommandDefinition] = {
    definition.type.__name__: definition
    for definition in (
        CommandDefinition(
            type=register_company.RegisterCompany,
            checked=register_company.checked,
            decide=register_company.decide,
            opens_stream=True,
        ),
        CommandDefinition(
            type=reclassify_company.ReclassifyCompany,
            checked=reclassify_company.checked,
            decide=reclassify_company.decide,
        ),
        CommandDefinition(
            type=rename_company.RenameCompany, checked=rename_company.checked, decide=rename_company.decide
        ),
        CommandDefinition(
            type=change_tickers.ChangeTickers, checked=change_tickers.checked, decide=change_tickers.decide
        ),
        CommandDefinition(type=merge_company.MergeCompany, checked=merge_company.checked, decide=merge_company.decide),
        CommandDefinition(
            type=record_acceptance.RecordAcceptance,
            checked=record_acceptance.checked,
            decide=record_acceptance.decide,
        ),
        CommandDefinition(type=report_filing.ReportFiling, checked=report_filing.checked, decide=report_filing.decide),
        CommandDefinition(
            type=withdraw_filing.WithdrawFiling, checked=withdraw_filing.checked, decide=withdraw_filing.decide
        ),
    )
}

EVENTS: dict[str, type] = {
    event.__name__: event
    for event in (
        company_events.CompanyRegistered,
        company_events.CompanyReclassified,
        company_events.CompanyRenamed,
        company_events.TickersChanged,
        company_events.CompanyMerged,
        company_events.AcceptanceRecorded,
        filing_events.FilingReported,
        filing_events.FilingCorrected,
        filing_events.FilingWithdrawn,
    )
}
