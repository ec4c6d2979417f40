"""The cache rules in force, and how they are changed."""

import pytest

from argus_core.cache_tables import DEFAULT_RULES
from argus_core.caching.rules import RULE_OF, Rules
from argus_core.config import Config
from argus_core.errors import BadParameter
from argus_core.extend.source import DATASETS


def test_every_dataset_has_a_rule():
    assert set(RULE_OF) == set(DATASETS)
    assert set(RULE_OF.values()) == set(DEFAULT_RULES)


def test_the_rules_are_those_of_the_file():
    config = Config.parse({"cache_rules": {"LATEST_DATA": {"ttl": 7}}}, {})
    rules = Rules(config.cache_rules)
    assert list(rules) == list(DEFAULT_RULES)
    assert len(rules) == len(DEFAULT_RULES)
    assert rules["LATEST_DATA"].ttl == rules.of("quotes").ttl == rules.of("depth").ttl == 7
    assert rules.of("ticks") is rules["HISTORY_DATA"]
    assert rules.of("sectors") == DEFAULT_RULES["BASIC_INFO"]


def test_a_change_holds_in_these_rules_only():
    rules, others = Rules(), Rules()
    changed = rules.change("LATEST_DATA", ttl=10, max_size=5)
    assert (changed.ttl, changed.max_size) == (10, 5)
    assert rules["LATEST_DATA"] is rules.of("quotes") is changed
    assert changed.negative_ttl == DEFAULT_RULES["LATEST_DATA"].negative_ttl
    assert rules.configured("LATEST_DATA").ttl == 3
    assert others["LATEST_DATA"].ttl == DEFAULT_RULES["LATEST_DATA"].ttl == 3
    rules.change("LATEST_DATA", level="L1")
    assert (rules["LATEST_DATA"].ttl, rules["LATEST_DATA"].level) == (10, "L1")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"ttl": 0}, "LATEST_DATA: ttl"),
        ({"ttl": "soon"}, "LATEST_DATA: ttl"),
        ({"ttl": 1e300}, "LATEST_DATA: ttl"),
        ({"max_size": 0}, "LATEST_DATA: max_size"),
        ({"level": "L4"}, "LATEST_DATA: level"),
        ({"tll": 3}, "did you mean 'ttl'"),
    ],
)
def test_a_bad_change_changes_nothing(fields, says):
    rules = Rules()
    with pytest.raises(BadParameter, match=says):
        rules.change("LATEST_DATA", **{"priority": "low", **fields})
    assert rules["LATEST_DATA"] == DEFAULT_RULES["LATEST_DATA"]


def test_an_unknown_rule_is_named_with_those_that_exist():
    rules = Rules()
    for ask in (rules.__getitem__, rules.configured, rules.change):
        with pytest.raises(BadParameter, match=r"'LATEST'; did you mean 'LATEST_DATA'.*BASIC_INFO"):
            ask("LATEST")
