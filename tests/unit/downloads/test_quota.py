import pytest
from backplane.downloads.quota import Quota
from backplane.downloads.trouble import DownloadError

HOUR = 3600.0
NOW = 1_800_000_000.0


def refused(quota, *args):
    with pytest.raises(DownloadError) as caught:
        quota.take(*args)
    assert caught.value.code == "DOWNLOAD_RATE_LIMITED"
    return caught.value.details["retry_after_s"]


def test_each_client_has_its_own_hour():
    quota = Quota(2)
    quota.take("a", 2, NOW)
    quota.take("b", 1, NOW)
    assert refused(quota, "a", 1, NOW + 10) == HOUR - 10
    quota.take("b", 1, NOW + 10)


def test_what_was_asked_an_hour_ago_counts_no_longer():
    quota = Quota(2)
    quota.take("a", 1, NOW)
    quota.take("a", 1, NOW + 100)
    assert refused(quota, "a", 1, NOW + 200) == HOUR - 200
    assert refused(quota, "a", 2, NOW + 200) == HOUR - 100
    quota.take("a", 1, NOW + HOUR)


def test_a_refusal_counts_nothing():
    quota = Quota(2)
    quota.take("a", 1, NOW)
    refused(quota, "a", 2, NOW)
    quota.take("a", 1, NOW)


def test_what_is_given_back_counts_no_longer():
    quota = Quota(1)
    quota.take("a", 1, NOW)
    quota.give_back("a", 1)
    quota.take("a", 1, NOW)


def test_zero_is_no_limit():
    quota = Quota(0)
    quota.take("a", 10_000, NOW)
    quota.take("a", 1, NOW)


def test_it_is_kept_over_a_restart():
    quota = Quota(1)
    quota.take("a", 1, NOW)
    again = Quota(1, quota.to_json())
    refused(again, "a", 1, NOW + 1)


def test_a_clock_that_was_set_back_does_not_lock_a_client_out():
    quota = Quota(1)
    quota.take("a", 1, NOW + 10 * HOUR)
    quota.take("a", 1, NOW)


def test_more_than_an_hour_allows_is_refused_with_the_longest_wait():
    assert refused(Quota(3), "a", 4, NOW) == HOUR
