"""URLs people set: what may be called, and the many spellings of what may not."""

import socket

import pytest

from shared.domain.errors import InvalidInput
from shared.outbound.addresses import is_public, resolve
from shared.outbound.urls import check_url, private_hosts

PUBLIC = "93.184.215.14"


def lookup(*addresses):
    return lambda host, port: list(addresses)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/a/b?c=d",
        "https://93.184.215.14/",
        "https://[2606:4700::1111]/x",
    ],
)
def test_a_public_https_address_is_accepted(url):
    check_url(url, lookup=lookup(PUBLIC))


def test_a_name_that_does_not_resolve_yet_is_accepted():
    check_url("https://soon.example.com/", lookup=lookup())


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "//example.com/",
        "example.com",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com/#here",
        "https://example.com#@127.0.0.1/",
        "https://example.com\\@127.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/\r\nHost: x",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://[::1",
        "https://ex\u00e4mple.com/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://-example.com/",
        "https://example/",
        "https://example.com/" + "a" * 2048,
        "",
    ],
)
def test_a_url_of_another_shape_is_refused(url):
    with pytest.raises(InvalidInput):
        check_url(url, lookup=lookup(PUBLIC))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "0.0.0.0",
        "10.0.0.7",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fec0::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "localhost",
        "localhost.",
        "a.localhost",
        "metadata.google.internal",
        "printer.local",
    ],
)
def test_an_address_that_is_not_public_is_refused_in_every_spelling(host):
    with pytest.raises(InvalidInput):
        check_url(f"https://{host}/", lookup=lookup(PUBLIC))


@pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "169.254.169.254"], ["::ffff:10.0.0.1"], ["fe80::1%2"]])
def test_a_name_with_any_address_that_is_not_public_is_refused(addresses):
    with pytest.raises(InvalidInput):
        check_url("https://rebind.example.com/", lookup=lookup(*addresses))


def test_the_operators_own_hosts_may_be_private_and_plain():
    hosts = private_hosts(" 127.0.0.1:8080, [::1]:9 ,,Dropbox.Local:443")
    for url in ("http://127.0.0.1:8080/x", "https://127.0.0.1:8080/", "http://[::1]:9/", "https://dropbox.local/"):
        check_url(url, hosts)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8081/",
        "http://127.0.0.1/",
        "http://127.0.0.2:8080/",
        "http://a@127.0.0.1:8080/",
        "ftp://127.0.0.1:8080/",
    ],
)
def test_only_the_listed_pair_of_host_and_port_is_exempt(url):
    with pytest.raises(InvalidInput):
        check_url(url, private_hosts("127.0.0.1:8080"))


def test_the_refusal_does_not_repeat_the_url():
    with pytest.raises(InvalidInput) as caught:
        check_url("https://user:canary@example.com/", lookup=lookup(PUBLIC))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(text):
    assert is_public(text)


@pytest.mark.parametrize("text", ["", "example.com", "1.1.1.1/32", "[::1]", "fe80::1%eth0", "1.1.1", "01.1.1.1"])
def test_what_is_no_plain_address_is_not_public(text):
    assert not is_public(text)


def test_this_computers_name_resolves_to_this_computer():
    assert set(resolve("localhost", 443)) <= {"127.0.0.1", "::1"} != set()


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a..b", "x" * 300])
def test_what_is_no_name_resolves_to_nothing(host, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", _unknown)
    assert list(resolve(host, 443)) == []


def _unknown(host, port, **named):
    """The system's resolver without its network: what it cannot even encode fails as it does there."""
    host.encode("idna")
    raise socket.gaierror(socket.EAI_NONAME, "unknown")
