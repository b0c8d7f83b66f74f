from projections.figures.rows import CompanyRow
from queries.metrics.groupings import GROUPINGS


class TestGroupsOfACompany:
    def test_are_one_of_each_grouping(self) -> None:
        company = CompanyRow(
            cik=320193, name_as_filed="Apple Inc.", sic="3571", country="US", size_class="large_accelerated"
        )

        groups = company.groups()

        assert dict(groups) == {
            "all": "all",
            "sector": "manufacturing",
            "major_group": "35",
            "industry": "3571",
            "country": "US",
            "size_class": "large_accelerated",
        }
        assert {group_by for group_by, _ in groups} == set(GROUPINGS)

    def test_are_only_those_that_are_known(self) -> None:
        company = CompanyRow(cik=320193, name_as_filed="Apple Inc.", sic="9000")

        assert company.groups() == {("all", "all"), ("major_group", "90"), ("industry", "9000")}
