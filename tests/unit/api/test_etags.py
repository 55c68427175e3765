"""Versions as HTTP tells them."""

import pytest

from shared.api.etags import etag, expected
from shared.domain.errors import InvalidInput, NotFound, VersionMismatch
from tests.unit.api.fakes import Api

TENANT = "/api/v1/tenants/acme"


@pytest.fixture
def api():
    return Api()


@pytest.mark.parametrize("header", [None, "*", " * "])
def test_whoever_insists_on_nothing_gets_whatever_is_there(header):
    assert expected(header, lambda: pytest.fail("asked")) is None


@pytest.mark.parametrize(("header", "version"), [('"3"', 3), (' "3" ', 3), ('"3", W/"4"', 3), ('"nonsense","12"', 12)])
def test_one_tag_of_ours_is_the_version(header, version):
    assert expected(header, lambda: pytest.fail("asked")) == version


@pytest.mark.parametrize("header", ['"1","3"', '"3" , "9", "1"', 'W/"3", "2", "3"'])
def test_of_several_tags_it_is_the_one_that_is_there(header):
    assert expected(header, lambda: 3) == 3


@pytest.mark.parametrize("header", ['W/"3"', '"abc"', '"0"', '"03"', '"-3"', '"4","5"', '""', '"99999999999999999999"'])
def test_a_tag_that_is_weak_or_none_of_ours_never_matches(header):
    with pytest.raises(VersionMismatch):
        expected(header, lambda: 3)


def test_what_is_not_there_is_not_found_before_it_does_not_match():
    def gone():
        raise NotFound

    with pytest.raises(NotFound):
        expected('W/"1"', gone)


@pytest.mark.parametrize("header", ["3", '"3', "'3'", '"3" "4"', ",", '"3",,"4"', "*,*", '"a b"'])
def test_a_header_that_is_none_is_told_so(header):
    with pytest.raises(InvalidInput):
        expected(header, lambda: 3)


def test_a_tag_is_a_quoted_version():
    assert etag(7) == '"7"'


def test_a_thing_shows_its_version_and_a_change_may_insist_on_it(api):
    assert api.ask("GET", TENANT, "root").headers["ETag"] == '"1"'
    first = api.ask("PATCH", TENANT, "root", body={"name": "One"}, headers={"if-match": '"1"'})
    assert (first.status, first.headers["ETag"]) == (200, '"2"')
    second = api.ask("PATCH", TENANT, "root", body={"name": "Two"}, headers={"If-Match": '"1"'})
    assert (second.status, second.json["code"]) == (412, "version_mismatch")
    assert api.ask("GET", TENANT, "root").json["name"] == "One"
    assert api.ask("PATCH", TENANT, "root", body={"name": "Two"}, headers={"if-match": '"1", "2"'}).status == 200
    assert api.ask("PATCH", TENANT, "root", body={"name": "Three"}).headers["ETag"] == '"4"'
    assert api.ask("DELETE", TENANT, "root", headers={"if-match": '"3"'}).status == 412
    assert api.ask("DELETE", TENANT, "root", headers={"if-match": "nonsense"}).status == 422
    assert api.ask("DELETE", TENANT, "root", headers={"if-match": "*"}).status == 204
    assert api.ask("DELETE", TENANT, "root", headers={"if-match": '"4"'}).status == 404
