"""The catalogue stays true to its host at the least cost."""

import asyncio
import gc
import gzip
import json
import logging
import threading

import pytest
from backplane.catalog import Catalog, PairCounts
from backplane.errors import InvalidRequest, NotFound
from backplane.routes._http import etag_of


def node(name, **others):
    return {
        "name": name,
        "display_name": name,
        "category": "test",
        "input": {"required": {"image": ("IMAGE", {})}},
        "output": ["IMAGE"],
        **others,
    }


def loader(name, files):
    return node(name, input={"required": {"file": (list(files), {})}})


class FakeNodeSource:
    """Node classes as told; counts what is asked of it."""

    def __init__(self, *names):
        self.infos = {name: node(name) for name in names}
        self.tokens = dict.fromkeys(names, 0)
        self.reads = {}
        self.stamps = {}
        self.asked = []
        self.checks = 0
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def add(self, name, info=None, reads=frozenset()):
        self.infos[name] = node(name) if info is None else info
        self.tokens[name] = self.tokens.get(name, 0) + 1
        self.reads[name] = reads

    def class_types(self):
        self.checks += 1
        self.begun.set()
        assert self.gate.wait(10)
        return list(self.infos)

    def class_token(self, class_type):
        return self.tokens[class_type]

    def node_info(self, class_type):
        self.asked.append(class_type)
        info = self.infos[class_type]
        if isinstance(info, BaseException):
            raise info
        return info

    def file_lists(self, class_type):
        return self.reads.get(class_type, frozenset())

    def param_folders(self, class_type):
        return {"file": "checkpoints"} if self.reads.get(class_type) else {}

    def file_list_stamps(self):
        return dict(self.stamps)

    def model_files(self, _folder):
        return []


@pytest.fixture
def source():
    return FakeNodeSource("A", "B", "C")


@pytest.fixture
def catalog(source):
    return Catalog(source, PairCounts(shipped=None))


def names(snapshot):
    return [entry["name"] for entry in json.loads(snapshot.identity)["nodes"]]


async def test_the_bytes_are_the_specs_in_the_hosts_order(catalog):
    snapshot = await catalog.ready()
    document = json.loads(snapshot.identity)
    assert list(document) == ["revision", "nodes"]
    assert document["revision"] == snapshot.revision
    assert names(snapshot) == list(snapshot.specs) == ["A", "B", "C"]
    assert gzip.decompress(snapshot.gzip) == snapshot.identity
    assert json.loads(snapshot.encoded["B"]) == document["nodes"][1]


async def test_before_the_first_look_there_is_no_snapshot(catalog):
    assert catalog.snapshot is None
    assert catalog.spec("A") is None
    snapshot = await catalog.ready()
    assert catalog.snapshot is snapshot
    assert catalog.spec("A") is snapshot.specs["A"]


async def test_an_unchanged_host_is_not_asked_again(catalog, source):
    first = await catalog.ready()
    assert await catalog.ready() is first
    assert source.asked == ["A", "B", "C"]


async def test_equal_content_has_an_equal_etag_and_other_content_another(source):
    one, other = Catalog(source, PairCounts(shipped=None)), Catalog(source, PairCounts(shipped=None))
    assert (await one.ready()).etag == (await other.ready()).etag
    assert (await one.ready()).gzip == (await other.ready()).gzip
    before = (await one.ready()).etag
    source.add("D")
    assert (await one.ready()).etag != before


async def test_a_replaced_class_is_read_again_and_no_other(catalog, source):
    before = await catalog.ready()
    source.asked.clear()
    source.add("B", node("B", description="new"))
    after = await catalog.ready()
    assert source.asked == ["B"]
    assert after.specs["B"].description == "new"
    assert after.specs["A"] is before.specs["A"]
    assert after.encoded["C"] is before.encoded["C"]


async def test_a_new_pack_and_a_removed_one_are_seen_at_the_next_request(catalog, source):
    await catalog.ready()
    source.add("D")
    assert names(await catalog.ready()) == ["A", "B", "C", "D"]
    del source.infos["A"]
    assert names(await catalog.ready()) == ["B", "C", "D"]
    assert source.asked == ["A", "B", "C", "D"]


async def test_a_new_file_rereads_the_nodes_that_list_it(catalog, source):
    source.stamps = {"checkpoints": 1, "loras": 1}
    source.add("Ckpt", loader("Ckpt", ["a"]), frozenset({"checkpoints"}))
    source.add("Lora", loader("Lora", ["l"]), frozenset({"loras"}))
    source.add("Odd", loader("Odd", ["?"]), None)
    before = await catalog.ready()
    assert before.specs["Ckpt"].params[0].folder == "checkpoints"
    source.asked.clear()
    source.infos["Ckpt"] = loader("Ckpt", ["a", "b"])
    source.stamps = {"checkpoints": 2, "loras": 1}
    after = await catalog.ready()
    assert source.asked == ["Ckpt", "Odd"]
    assert after.specs["Ckpt"].params[0].options == ("a", "b")
    assert after.specs["Lora"] is before.specs["Lora"]
    assert after.specs["Odd"] is before.specs["Odd"]


async def test_a_change_that_changes_nothing_keeps_the_snapshot(catalog, source):
    source.stamps = {"input": 1}
    source.add("Odd", reads=None)
    before = await catalog.ready()
    source.stamps = {"input": 2}
    assert await catalog.ready() is before
    assert source.asked.count("Odd") == 2


async def test_a_class_that_only_checks_otherwise_is_a_new_snapshot_with_the_old_bytes(catalog, source):
    before = await catalog.ready()
    source.add("B", node("B", own_checks={"image"}))
    after = await catalog.ready()
    assert (after.etag, after.identity) == (before.etag, before.identity)
    assert before.specs["B"].own_checks == frozenset()
    assert after.specs["B"].own_checks == {"image"}


@pytest.mark.parametrize("stamps", [{}, {"checkpoints": 1, "loras": 1}])
async def test_a_list_that_comes_or_goes_is_a_change(catalog, source, stamps):
    source.stamps = {"checkpoints": 1}
    source.add("Any", reads=None)
    await catalog.ready()
    source.stamps = stamps
    await catalog.ready()
    assert source.asked.count("Any") == 2


async def test_a_broken_node_costs_only_itself_and_one_line_in_the_log(catalog, source, caplog):
    source.stamps = {"input": 1}
    source.add("Broken", RuntimeError("no\nmodel"), None)
    assert names(await catalog.ready()) == ["A", "B", "C"]
    source.stamps = {"input": 2}
    await catalog.ready()
    assert [record.getMessage() for record in caplog.records] == [
        "Node class 'Broken' is left out of the catalogue: RuntimeError: no model"
    ]
    assert caplog.records[0].name == "backplane"
    assert caplog.records[0].levelno == logging.WARNING
    caplog.clear()
    source.add("Broken", KeyError("other"), None)
    await catalog.ready()
    assert len(caplog.records) == 1
    source.add("Broken")
    assert names(await catalog.ready()) == ["A", "B", "C", "Broken"]


@pytest.mark.parametrize("fault", [SystemExit(1), MemoryError(), RecursionError()])
async def test_a_node_that_goes_to_extremes_is_left_out_too(catalog, source, fault, caplog):
    source.add("Broken", fault)
    assert names(await catalog.ready()) == ["A", "B", "C"]
    assert len(caplog.records) == 1


async def test_a_definition_that_is_none_is_left_out(catalog, source, caplog):
    source.infos["B"] = []
    assert names(await catalog.ready()) == ["A", "C"]
    assert "BadNodeInfo" in caplog.text


async def test_a_class_unloaded_during_the_look_is_left_out(catalog, source):
    del source.tokens["B"]
    assert names(await catalog.ready()) == ["A", "C"]


async def test_a_node_is_known_by_the_name_it_is_mapped_to(catalog, source):
    source.add("Mapped", node("ItsOwnIdea"))
    assert "Mapped" in (await catalog.ready()).specs


async def test_requests_at_the_same_time_share_one_look(catalog, source):
    found = await asyncio.gather(*(catalog.ready() for _ in range(20)))
    assert source.checks == 1
    assert all(snapshot is found[0] for snapshot in found)


async def test_a_request_is_not_answered_from_a_look_that_began_before_it(catalog, source):
    source.gate.clear()
    first = asyncio.create_task(catalog.ready())
    assert await asyncio.to_thread(source.begun.wait, 10)
    late = [asyncio.create_task(catalog.ready()) for _ in range(5)]
    source.gate.set()
    await asyncio.gather(first, *late)
    assert source.checks == 2


async def test_a_client_that_leaves_does_not_take_the_look_from_the_others(catalog, source):
    source.gate.clear()
    leaving, staying = asyncio.create_task(catalog.ready()), asyncio.create_task(catalog.ready())
    assert await asyncio.to_thread(source.begun.wait, 10)
    leaving.cancel()
    source.gate.set()
    assert names(await staying) == ["A", "B", "C"]
    assert source.checks == 1


async def test_a_host_that_fails_is_asked_again_by_the_next_request(catalog, source, monkeypatch):
    def fail():
        raise OSError("disk gone")

    with monkeypatch.context() as patch:
        patch.setattr(source, "file_list_stamps", fail)
        with pytest.raises(OSError, match="disk gone"):
            await catalog.ready()
    assert names(await catalog.ready()) == ["A", "B", "C"]


async def test_full_garbage_collections_wait_until_it_is_built(catalog, source, monkeypatch):
    before, during = gc.get_threshold(), []
    monkeypatch.setattr(source, "file_lists", lambda _: during.append(gc.get_threshold()) or frozenset())
    await catalog.ready()
    assert {(young, middle) for young, middle, _ in during} == {before[:2]}
    assert min(threshold[2] for threshold in during) > 10_000
    assert gc.get_threshold() == before


async def test_who_sets_the_collector_meanwhile_has_his_way(catalog, source, monkeypatch):
    before, wanted = gc.get_threshold(), (701, 11, 12)
    monkeypatch.setattr(source, "file_lists", lambda _: gc.set_threshold(*wanted) or frozenset())
    try:
        await catalog.ready()
        assert gc.get_threshold() == wanted
    finally:
        gc.set_threshold(*before)


async def test_specs_are_fresh_or_as_last_read(catalog, source):
    assert list(await catalog.specs(fresh=False)) == ["A", "B", "C"]
    source.add("D")
    assert "D" not in await catalog.specs(fresh=False)
    assert "D" in await catalog.specs(fresh=True)


async def test_an_unknown_class_comes_with_close_matches(catalog, source):
    source.add("KSampler")
    await catalog.ready()
    with pytest.raises(NotFound) as caught:
        catalog.node("ksampler2")
    assert caught.value.code == "NODE_CLASS_NOT_FOUND"
    assert caught.value.details == {"class_type": "ksampler2", "close_matches": ["KSampler"]}


async def test_the_listing_with_fields_keeps_the_name(catalog):
    await catalog.ready()
    document = json.loads(catalog.listing(fields=["outputs"]))
    assert document["nodes"][0] == {"name": "A", "outputs": [{"name": "IMAGE", "type": "IMAGE"}]}


async def test_the_whole_listing_is_the_ready_bytes(catalog):
    snapshot = await catalog.ready()
    assert catalog.listing() == snapshot.identity
    assert etag_of(snapshot.identity) != snapshot.etag  # one hash of the nodes, not a second of the body


async def test_an_unknown_field_is_named(catalog):
    await catalog.ready()
    with pytest.raises(InvalidRequest) as caught:
        catalog.listing(fields=["name", "colour"])
    assert caught.value.details == {"fields": {"colour": "unknown"}}
