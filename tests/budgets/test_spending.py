"""What is admitted, refused and counted; the oracle is a set for each sender and day."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from budget_nursery import MIDNIGHT, MOST, NOON, SECRET, keys, sender, spend
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from resolver_grpc.budgets.budget_file import BudgetFile
from resolver_grpc.budgets.spending import Counting, admit, settle
from resolver_grpc.errors import AddressesSpentError, MissesSpentError, OverBudgetError, RateExceededError
from resolver_grpc.times import danish_day, parse_time


@pytest.fixture
def file(tmp_path):
    file = BudgetFile(tmp_path / "budgets")
    yield file
    file.close()


def refusal(*arguments, **options):
    with pytest.raises(OverBudgetError) as error:
        spend(*arguments, **options)
    return error.value


def test_distinct_misses_count_and_the_same_again_cost_nothing(file):
    who = sender(misses=10)
    for _ in range(5):
        for number in range(10):
            spend(file, who, [number])
    error = refusal(file, who, [10])
    assert type(error) is MissesSpentError
    assert error.sender_id == "power"
    assert error.retry_after == MIDNIGHT - NOON


def test_whoever_has_used_up_its_misses_is_refused_before_anything_is_resolved(file):
    """Hits, too: else a refusal would tell, for nothing, that a query is a miss."""
    who = sender(misses=3)
    refusal(file, who, range(4))
    with file.page_of("power") as page, pytest.raises(MissesSpentError):
        admit(page, who, 1, MOST, NOON)


def test_what_is_refused_is_counted_all_the_same(file):
    """One large batch after the other tells nothing, and does not stay free."""
    who = sender(misses=100)
    refusal(file, who, range(1_000))
    assert type(refusal(file, who, [5_000])) is MissesSpentError
    assert type(refusal(file, who)) is MissesSpentError


def test_addresses_have_a_budget_of_their_own_and_others_may_still_be_asked(file):
    who = sender(addresses=10)
    for number in range(10):
        spend(file, who, [], [number])
    error = refusal(file, who, [], [10])
    assert (type(error), error.retry_after) == (AddressesSpentError, MIDNIGHT - NOON)
    spend(file, who, [1, 2])
    assert type(refusal(file, who, [1], [10])) is AddressesSpentError


def test_other_senders_are_not_touched(file):
    refusal(file, sender(misses=1), [1, 2])
    spend(file, sender("town", misses=1), [1])


@pytest.mark.parametrize("day", ["2026-11-22", "2026-03-29", "2026-10-25", "2026-12-31"])
def test_the_next_danish_day_begins_anew(tmp_path, day):
    """To the second, in summer and in winter, and on the days in which the clock is changed."""
    file, who = BudgetFile(tmp_path / "budgets"), sender(misses=2, addresses=2)
    begun = parse_time(day)
    refusal(file, who, [1, 2, 3], instant=begun)
    error = refusal(file, who, instant=begun + 3)
    midnight = begun + 3 + error.retry_after
    refusal(file, who, instant=midnight - 1)
    account = spend(file, who, [4, 5], [1, 2], instant=midnight)
    assert (round(account.misses), round(account.addresses)) == (2, 2)
    assert danish_day(midnight).toordinal() == danish_day(begun).toordinal() + 1
    file.close()


def test_on_a_new_day_nothing_of_the_former_ones_sketches_is_left(file):
    spend(file, sender(), range(500), range(500))
    account = spend(file, sender(), [1], instant=MIDNIGHT)
    assert (round(account.misses), round(account.addresses)) == (1, 0)
    assert round(spend(file, sender(), [], [7], instant=MIDNIGHT).addresses) == 1


def test_a_rate_that_is_exceeded_is_refused_until_it_is_paid_for(file):
    who = sender(rate=100)
    spend(file, who, range(200))
    error = refusal(file, who, [1])
    assert (type(error), error.retry_after) == (RateExceededError, 1.0)
    refusal(file, who, [1], instant=NOON + 0.9)
    spend(file, who, [1], instant=NOON + 1)
    spend(file, sender("town", rate=100), [1])


def test_a_refusal_takes_nothing_on_the_account(file):
    who = sender(rate=100)
    spend(file, who, range(200))
    for _ in range(50):
        refusal(file, who, range(100))
    spend(file, who, [1], instant=NOON + 1.01)


def test_a_request_larger_than_any_second_is_answered_at_once_and_owed_for(file):
    who = sender(rate=1)
    with file.page_of("power") as page:
        admit(page, who, MOST, MOST, NOON)
    assert refusal(file, who, [1]).retry_after == MOST - 1


def test_a_flood_of_empty_requests_is_held_to_the_rate(file):
    who = sender(rate=2)
    for _ in range(3):
        spend(file, who)
    assert type(refusal(file, who)) is RateExceededError


def test_limits_count_as_they_stand_when_asked(file):
    spend(file, sender(misses=10), range(10))
    refusal(file, sender(misses=5))
    spend(file, sender(misses=100), range(20))


def test_what_another_worker_spent_meanwhile_counts(file):
    who = sender(misses=3)
    with file.page_of("power") as page:
        admit(page, who, 1, MOST, NOON)
    refusal(file, who, range(4))
    with file.page_of("power") as page, pytest.raises(MissesSpentError):
        settle(page, who, Counting([keys(1)], [], SECRET), NOON)


class Spending(RuleBasedStateMachine):
    """Any senders, days and queries: nobody is told more than its budget, nor refused at nine tenths of it."""

    LIMIT = 12

    def __init__(self):
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name, "budgets")
        self.files = [BudgetFile(self.path) for _ in range(2)]
        self.seen = {}

    @rule(
        who=st.sampled_from(["power", "town"]),
        day=st.integers(0, 2),
        numbers=st.lists(st.integers(0, 40), max_size=6),
        worker=st.integers(0, 1),
    )
    def ask(self, who, day, numbers, worker):
        counted, used = self.seen.get(who, (day, set()))
        used = used | set(numbers) if counted == day else set(numbers)
        try:
            spend(self.files[worker], sender(who, misses=self.LIMIT), numbers, instant=NOON + day * 86_400)
        except MissesSpentError:
            assert len(used) > self.LIMIT * 0.9
        else:
            # Two keys may share a register.
            assert len(used) <= self.LIMIT + 1
        self.seen[who] = day, used

    @rule(worker=st.integers(0, 1))
    def start_anew(self, worker):
        self.files[worker].close()
        self.files[worker] = BudgetFile(self.path)

    def teardown(self):
        for file in self.files:
            file.close()
        self.folder.cleanup()


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
