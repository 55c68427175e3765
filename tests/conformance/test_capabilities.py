"""Case 66: what a store claims is exercised; what it does not claim it refuses by name."""

from collections.abc import Iterator

import pytest

from infra.local.azure_pull import AzurePull, azure_pull
from shared.connectors import AzureBlobConnector
from shared.domain.errors import NotSupported, PreconditionFailed
from shared.domain.objects import Attributes, Tag
from shared.domain.precondition import Absent, Match
from shared.domain.precondition import Any as Anyhow
from shared.domain.stamp import Stamp, origin_of
from shared.ports.stores import TargetStore
from tests.conformance.cases import case
from tests.conformance.contents import Bytes, pattern
from tests.conformance.rigs import PART
from tests.conformance.store import Store, crc_of, needs, sum_of

OPERATIONS = ("head", "open", "write", "delete", "list", "link", "copy", "pull")
SMALL, LARGE = 100, 4 * PART + 1
sizes = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])


@case(66)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_not_claimed_is_refused_by_name(store: Store, operation: str) -> None:
    if operation in store.capabilities.operations:
        store.capabilities.require(operation)
        return
    with pytest.raises(NotSupported) as failure:
        store.capabilities.require(operation)
    assert (failure.value.operation, failure.value.connector) == (operation, store.rig.name)
    assert not hasattr(store.connector, operation)


@case(66)
def test_only_known_operations_are_claimed(store: Store) -> None:
    claimed = store.capabilities.operations
    assert {"head", "open", "write", "delete", "list"} <= claimed <= set(OPERATIONS)
    assert store.capabilities == store.rig.capabilities
    assert store.capabilities.connector == store.rig.name
    assert bool(store.capabilities.links) == ("link" in claimed)


@case(66)
def test_what_it_says_to_report_it_reports(store: Store) -> None:
    data = pattern(SMALL)
    store.put("object", data)
    head = store.connector.head("object")
    assert head is not None
    assert set(head.checksums.values) == set(store.capabilities.reports)


@case(66)
def test_one_name_holds_one_object(store: Store) -> None:
    assert not store.capabilities.duplicate_names
    for number in range(3):
        store.put("object", b"%d" % number)
    assert store.paths() == ["object"]


@case(66)
def test_as_much_metadata_as_declared_is_kept(store: Store) -> None:
    value = "v" * (store.capabilities.metadata_max - len("name"))
    store.put("object", Bytes(b"data", attributes=Attributes(metadata={"name": value})))
    head = store.connector.head("object")
    assert head is not None
    assert head.attributes.metadata == {"name": value}


def whole_writer(store: Store) -> TargetStore:
    """Writes in one request: the emulator tells the CRC64NVME of the whole for such objects only."""
    return store.another(part_size=2 * LARGE)


def copied(store: Store, size: int, route: str) -> None:
    """A write from the store's own content goes by ``route`` and arrives whole, with its stamp, if its condition holds."""
    data, target = pattern(size), store.sibling()
    said = Attributes("text/plain", cache_control="no-store", metadata={"a": "b"})
    store.put("source", Bytes(data, attributes=said), by=whole_writer(store))
    stamp = Stamp(origin_of("a", "b", "c"), "v1", size, crc_of(data))
    wire = store.wire()
    store.rig.strict(wire)
    reader, writer = store.through(wire), target.through(wire)
    with reader.open("source") as opened:
        assert opened is not None
        written = writer.write("copy", opened.content, precondition=Absent(), stamp=stamp)
        assert (written.route, written.size, written.checksums.values["crc64nvme"]) == (route, size, crc_of(data))
        with pytest.raises(PreconditionFailed):
            writer.write("copy", opened.content, precondition=Absent())
        with pytest.raises(PreconditionFailed):
            writer.write("copy", opened.content, precondition=Match(Tag("0" * 32)))
        writer.write("copy", opened.content, precondition=Match(written.tag), stamp=stamp)
    head = target.connector.head("copy")
    assert head is not None
    assert (head.stamp, head.attributes) == (stamp, said)
    target.assert_still("copy", data)
    assert (wire.count(store.rig.body) == 0) == (route == "copied")


@case(66)
@sizes
def test_a_copy_inside_the_service_moves_no_bytes_through_us(store: Store, size: int) -> None:
    needs(store, "copy")
    copied(store, size, "copied")


@case(66)
@sizes
def test_what_an_sdk_puts_by_its_own_choice_is_copied_inside_too(store: Store, size: int) -> None:
    """boto3 sends CRC32, so S3 keeps no CRC64NVME of most objects."""
    needs(store, "copy")
    data, target = pattern(size), store.sibling()
    store.rig.put(store.root, "source", data)
    with store.connector.open("source") as opened:
        assert opened is not None
        written = target.connector.write("copy", opened.content, precondition=Absent())
    assert (written.route, dict(written.checksums.values)) == ("copied", {"crc32": sum_of("crc32", data)})
    target.assert_still("copy", data)


@case(66)
@sizes
def test_without_copies_inside_the_bytes_are_streamed(store: Store, size: int) -> None:
    if "copy" in store.capabilities.operations:
        pytest.skip(f"{store.rig.name} copies inside")
    copied(store, size, "streamed")


@pytest.fixture
def puller() -> Iterator[tuple[AzurePull, TargetStore]]:
    with azure_pull() as server:
        connector = AzureBlobConnector("pulled", connection_string=server.connection_string, part_size=PART)
        server.account.containers.add("pulled")
        yield server, connector
        connector.close()


@case(66)
@sizes
def test_a_pull_moves_no_bytes_through_us(store: Store, puller: tuple[AzurePull, TargetStore], size: int) -> None:
    """The emulator cannot pull, so a fake that can stands in; the source is the other store's, by its signed address."""
    if store.rig.name == "azure_blob":
        pytest.skip("azure_blob is the one that pulls; its source here is s3")
    data = pattern(size)
    store.rig.versioned(store.root)
    store.put("source", data, by=whole_writer(store))
    server, connector = puller
    wire = store.wire()
    with store.through(wire).open("source") as opened:
        assert opened is not None
        written = connector.write("copy", opened.content, precondition=Anyhow())
    assert (written.route, written.size, written.checksums.values["crc64nvme"]) == ("pulled", size, crc_of(data))
    assert store.get("copy", by=connector) == data
    assert all(not request.header("authorization") for request in wire.requests if store.rig.body(request))
    assert server.account.requests
