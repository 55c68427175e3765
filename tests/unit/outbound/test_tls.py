"""Calls outside over TLS: the certificate is checked for the name, though the connection goes to the address that was checked."""

import socket
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.outbound import timed
from shared.outbound.errors import Unreachable
from shared.outbound.session import Outbound
from tests.unit.outbound.server import bytes_of, loopback

NAME = "house.example.com"
PUBLIC = "93.184.215.14"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for ``NAME`` that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("tls") / "house.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + pem)
    return file


def secured(certificate, names):
    """The server's side of TLS; notes the name each caller asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda connection, name, its: names.append(name)
    return context


def calling(monkeypatch, port, tried):
    """Every name is at ``PUBLIC``; connections there end up at the loopback server."""
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *rest, **named: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, 443))]
    )

    def connect(address, timeout, *rest, **named):
        tried.append(address[0])
        line = socket.socket()
        line.settimeout(timeout)
        line.connect(("127.0.0.1", port))
        return line

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)


@pytest.fixture
def trusted(certificate, monkeypatch):
    """Our own authority is the only one there is."""
    monkeypatch.setattr(timed, "DEFAULT_CA_BUNDLE_PATH", str(certificate))
    timed._trust.cache_clear()
    yield
    timed._trust.cache_clear()


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(("name", "answers"), [(NAME, True), ("other.example.com", False)])
def test_the_name_is_proven_although_the_checked_address_is_called(name, answers, certificate, monkeypatch):
    names, tried = [], []
    with loopback(bytes_of("200 OK", b"ok"), secured(certificate, names)) as server:
        calling(monkeypatch, server.port, tried)
        http = Outbound()
        if answers:
            assert http.get(f"https://{name}/").text == "ok"
        else:
            with pytest.raises(Unreachable) as caught:
                http.get(f"https://{name}/")
            assert not caught.value.reached
    assert (names, tried, len(server.asked)) == ([name], [PUBLIC], int(answers))


def test_a_certificate_nobody_trusts_reaches_no_one(certificate):
    with loopback(bytes_of("200 OK"), secured(certificate, [])) as server:
        with pytest.raises(Unreachable) as caught:
            Outbound(frozenset({server.authority})).get(f"https://{server.authority}/")
        assert (caught.value.reached, server.asked) == (False, [])


def test_a_certificate_of_a_callers_own_choice_is_checked_as_well(certificate, monkeypatch):
    with loopback(bytes_of("200 OK", b"ok"), secured(certificate, [])) as server:
        calling(monkeypatch, server.port, [])
        http = Outbound()
        http.verify = str(certificate)
        assert http.get(f"https://{NAME}/").text == "ok"


def test_no_caller_can_switch_the_check_off(certificate):
    with loopback(bytes_of("200 OK"), secured(certificate, [])) as server:
        http = Outbound(frozenset({server.authority}))
        http.verify = False
        with pytest.raises(Unreachable):
            http.get(f"https://{server.authority}/", verify=False)
        assert server.asked == []


@pytest.mark.usefixtures("trusted")
def test_authorities_are_read_once(certificate, monkeypatch):
    read = []
    real = ssl.SSLContext.load_verify_locations
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *rest: read.append(rest) or real(*rest))
    with loopback(bytes_of("200 OK"), secured(certificate, [])) as server:
        http = Outbound(frozenset({server.authority}))
        for _ in range(3):
            with pytest.raises(Unreachable):  # the certificate is for a name, not for this address
                http.get(f"https://{server.authority}/")
    assert len(read) == 1


@pytest.mark.usefixtures("trusted")
def test_an_answer_that_drips_within_tls_ends_with_the_calls_time(certificate, monkeypatch):
    def drip(connection, over):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.wait(0.02):
            connection.sendall(b"x")

    with loopback(drip, secured(certificate, [])) as server:
        calling(monkeypatch, server.port, [])
        http = Outbound(seconds=0.4)
        start = time.monotonic()
        with pytest.raises(Unreachable) as caught:
            http.get(f"https://{NAME}/")
        assert caught.value.reached
        assert time.monotonic() - start < 2
