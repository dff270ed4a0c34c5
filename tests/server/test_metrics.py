"""Metrics: what is counted, and the page that shows it, of one process and of several."""

import os
import re
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import grpc
import pytest
from access_nursery import copied
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families
from worker_nursery import serve_command, supervised

from hot_swap_store import build_variants
from resolver_grpc.cli import main
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.fastpath.machine import find_kernel
from resolver_grpc.fastpath.way import Memory
from resolver_grpc.model import Kind, Reason, Route, Sender, SenderClass
from resolver_grpc.server.metrics import Metrics
from resolver_grpc.server.metrics_page import counting_together, showing
from resolver_grpc.server.served import open_served
from resolver_grpc.server.sums import SHARED_FOLDER, Stage
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub
from small_register import ANN, BO, KVHX, NOON, build_register, serving

SENDERS = """[[senders]]
id = "town"
name = "Town"
cvr = "61126228"
class = "PUBLIC"
kinds = ["CPR"]
"""


def served_with(generation=3, **memories):
    """What is served, as far as metrics look at it."""
    return SimpleNamespace(valid_from=1_000, built=900, generation=generation, memories=lambda: dict(memories))


def read_page(address):
    """The samples of a page by name and labels."""
    with urlopen(f"http://{address}/metrics", timeout=10) as page:
        text = page.read().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, *(label for _, label in sorted(sample.labels.items()))): sample.value for sample in samples}


@contextmanager
def calling(address):
    """A stub on a connection of its own."""
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield ResolverServiceStub(channel)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("metrics")
    variants = build_variants(root, 1)
    (root / "snapshot").symlink_to(variants.folders[0])
    assert variants.key_file == root / "index.key"
    (root / "senders.toml").write_text(SENDERS, encoding="utf-8")
    return root


def test_words_are_counted_from_one_look_to_the_next_and_anew_for_another_snapshot():
    registry = CollectorRegistry()
    metrics = Metrics(registry)

    def told(name):
        return registry.get_sample_value(name, {"fold": "STREET"})

    first, second = {"STREET": Memory(8, 5, 2)}, {"STREET": Memory(8, 9, 2)}
    one = served_with(**first)
    metrics.look(one, 1_500)
    metrics.look(one, 1_500)
    assert (told("resolver_words_remembered_total"), told("resolver_words_asked_total")) == (5, 2)
    one.memories = lambda: second
    metrics.look(one, 1_500)
    assert (told("resolver_words_remembered_total"), told("resolver_words_asked_total")) == (9, 2)
    metrics.look(served_with(generation=4, STREET=Memory(8, 1, 1)), 1_600)
    assert (told("resolver_words_remembered_total"), told("resolver_words_asked_total")) == (10, 3)
    assert told("resolver_word_places") == 8
    assert registry.get_sample_value("resolver_generation") == 4
    assert registry.get_sample_value("resolver_register_age_seconds") == 600
    assert registry.get_sample_value("resolver_snapshot_age_seconds") == 700


def test_what_is_served_tells_of_its_memories(tmp_path):
    """The plain way has none."""
    register = build_register(tmp_path)
    sender = Sender("s", "S", "13585628", SenderClass.PRIVATE, kinds=frozenset({Kind.FULL_NAME}))
    served = open_served(register.directory, register.key, {"s": sender}, None)
    query = Query(kind=Kind.FULL_NAME.value, full_name="Ann Bo", kvhx="07511234___1_______")
    request = ResolveBatchRequest(sender_id="s", queries=[query, query]).SerializeToString()
    served.batches.answer(request, NOON)
    memories = served.memories()
    served.snapshot.index.close()
    if not find_kernel() or served.batches is served.plain:
        assert memories == {}
        return
    # Two words of a name are asked for once each, and known the second time.
    assert (memories["NAME_WORD"].misses, memories["NAME_WORD"].hits) == (2, 2)
    assert all(memory.places >= 4 for memory in memories.values())


def test_a_page_shows_what_is_registered_until_its_end():
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    with showing("127.0.0.1:0", registry) as address:
        metrics.note_batch(
            {
                (Kind.FULL_NAME, Route.MAILBOX, Reason.DELIVERABLE): 7,
                (Kind.CPR, Route.MAILBOX, Reason.DELIVERABLE): 1,
                (Kind.CPR, Route.REJECT, Reason.NOT_FOUND): 2,
            },
            0.004,
        )
        metrics.note_refusal("INVALID_ARGUMENT")
        page = read_page(address)
        with pytest.raises(ConfigurationError, match="choose a port that is free"), showing(address, registry):
            pass
    assert page["resolver_batch_seconds_count",] == 1
    assert page["resolver_batch_seconds_bucket", "0.005"] == 1
    assert page["resolver_batch_seconds_bucket", "0.002"] == 0
    assert page["resolver_batch_queries_sum",] == 10
    assert {tuple(labels): count for (name, *labels), count in page.items() if name == "resolver_queries_total"} == {
        ("FULL_NAME", "DELIVERABLE", "MAILBOX"): 7,
        ("CPR", "DELIVERABLE", "MAILBOX"): 1,
        ("CPR", "NOT_FOUND", "REJECT"): 2,
    }
    assert page["resolver_refused_calls_total", "INVALID_ARGUMENT"] == 1
    with pytest.raises(OSError, match="refused"):
        read_page(address)


def test_a_server_alone_counts_what_it_answers_and_refuses(folder):
    with supervised(serve_command(folder, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0")) as server:
        shown = server.logged[-1]["metrics"]
        with calling(server.address) as stub:
            for _ in range(3):
                stub.ResolveBatch(
                    ResolveBatchRequest(sender_id="town", queries=[Query(kind=Kind.CPR.value, number=ANN)])
                )
            with pytest.raises(grpc.RpcError):
                stub.ResolveBatch(ResolveBatchRequest(sender_id="nobody"))
        page = read_page(shown)
        assert server.end() == 0
    assert page["resolver_batch_seconds_count",] == page["resolver_batch_queries_sum",] == 3
    assert sum(count for (name, *_), count in page.items() if name == "resolver_queries_total") == 3
    assert page["resolver_refused_calls_total", "PERMISSION_DENIED"] == 1
    assert page["resolver_stage_seconds_count", "ANSWERING"] == 3
    assert page["resolver_stage_seconds_count", "OTHERS"] == page["resolver_stage_seconds_count", "AUDIT"] == 0
    assert page["resolver_audit_records_total",] == 0
    assert page["resolver_generation",] == 0
    assert page["resolver_register_age_seconds",] > 0
    assert page["resolver_snapshot_age_seconds",] == 0, "it was built at the instant that is replayed"


def test_stages_and_audit_writes_are_counted(register, tmp_path):
    """A batch of more than a slice lets others go first; each batch waits for the audit, a failed one too."""
    registry, audit = CollectorRegistry(), tmp_path / "audit"
    audit.mkdir()
    queries = [Query(kind=Kind.FULL_NAME.value, full_name="Ann Bo", kvhx=KVHX)] * 600
    with serving(copied(register, tmp_path / "copy"), audit=audit, registry=registry) as server:
        with calling(server.target) as stub:
            stub.ResolveBatch(ResolveBatchRequest(sender_id="power", queries=queries))
            stub.ResolveBatch(ResolveBatchRequest(sender_id="power", queries=queries[:1]))
            with pytest.raises(grpc.RpcError):
                stub.ResolveBatch(ResolveBatchRequest(sender_id="nobody"))

        def told(name, **labels):
            return registry.get_sample_value(name, labels)

        assert told("resolver_queries_total", kind="FULL_NAME", route="MAILBOX", reason="DELIVERABLE") == 601
        counts = [told("resolver_stage_seconds_count", stage=stage.name) for stage in Stage]
        assert dict(zip(Stage, counts, strict=True)) == {Stage.ANSWERING: 2, Stage.OTHERS: 1, Stage.AUDIT: 2}
        assert told("resolver_audit_records_total") == told("resolver_audit_write_seconds_count") == 3
        assert told("resolver_audit_failures_total") == 0
        whole = sum(told("resolver_stage_seconds_sum", stage=stage.name) for stage in Stage)
        assert 0 < whole <= told("resolver_batch_seconds_sum")


def test_an_audit_that_fails_is_counted_as_failures():
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.note_audit_write(3, 0.004, is_written=False)
    metrics.note_audit_write(0, 0.004, is_written=True)
    assert registry.get_sample_value("resolver_audit_failures_total") == 1
    assert registry.get_sample_value("resolver_audit_records_total") == 0
    assert registry.get_sample_value("resolver_audit_write_seconds_count") == 2


@given(
    seconds=st.lists(st.sampled_from([0.0, 0.0002, 0.00021, 0.25, 1.0, 5.0]) | st.floats(0, 10), max_size=20),
    stages=st.lists(st.sampled_from(Stage), min_size=20, max_size=20),
)
def test_histograms_are_those_of_prometheus_own_library(seconds, stages):
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    edges = [sample.labels["le"] for sample in _samples(registry, "resolver_stage_seconds") if "le" in sample.labels]
    oracle = Histogram(
        "resolver_stage_seconds",
        "",
        ["stage"],
        registry=None,
        buckets=[float(edge) for edge in dict.fromkeys(edges)],
    )
    for stage, one in zip(stages, seconds, strict=False):
        metrics.note_stage(stage, one)
        oracle.labels(stage.name).observe(one)
    told = {(sample.name, *sample.labels.values()): sample.value for sample in _samples(registry, oracle._name)}
    for sample in next(iter(oracle.collect())).samples:
        if not sample.name.endswith("_created"):
            assert told.pop((sample.name, *sample.labels.values())) == pytest.approx(sample.value)
    assert not any(told.values())


def _samples(registry, name):
    return next(family.samples for family in registry.collect() if family.name == name)


def test_the_page_adds_up_what_all_workers_counted_the_dead_ones_too(folder):
    request = ResolveBatchRequest(sender_id="town", queries=[Query(kind=Kind.CPR.value, number=BO)])
    options = ("--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--workers", "2")
    with supervised(serve_command(folder, *options)) as server:
        shown = server.logged[-1]["metrics"]
        for _ in range(20):
            with calling(server.address) as stub:
                stub.ResolveBatch(request)
        before = read_page(shown)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("workers replaced")
        after = read_page(shown)
        assert server.end() == 0
    assert before["resolver_batch_seconds_count",] == after["resolver_batch_seconds_count",] == 20
    assert after["resolver_generation",] == 0


def test_what_is_counted_in_a_shared_folder_outlives_its_process():
    """A process of the same number goes on with it; another one's is added."""
    outcome = (Kind.CPR, Route.REJECT, Reason.NOT_FOUND)
    with counting_together() as registry:
        first, second = (Metrics(CollectorRegistry()) for _ in range(2))
        first.note_batch({outcome: 3}, 0.1)
        second.note_batch({outcome: 4}, 0.1)
        folder = Path(os.environ[SHARED_FOLDER])
        own = next(folder.glob("sums_*"))
        shutil.copy(own, folder / "sums_999999999")
        (folder / "sums_999999998").touch()
        told = registry.get_sample_value(
            "resolver_queries_total", {"kind": "CPR", "route": "REJECT", "reason": "NOT_FOUND"}
        )
    assert told == 14


def test_gauges_of_processes_that_are_no_more_are_forgotten():
    with counting_together() as registry:
        folder = Path(os.environ[SHARED_FOLDER])
        gone = folder / "gauge_livemax_999999999.db"
        gone.write_bytes(bytes(64))
        list(registry.collect())
        assert not gone.exists()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [("9000", "--metrics wants HOST:PORT"), ("0.0.0.0:9000", "--metrics takes loopback addresses only")],
)
def test_an_address_that_is_none_or_open_to_others_is_refused(folder, address, sentence):
    words = serve_command(folder, "--metrics", address)[1:]
    done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == 2
    assert sentence in done.output


def test_the_documentation_names_every_metric():
    registry = CollectorRegistry()
    Metrics(registry)
    known = {f"{family.name}_total" if family.type == "counter" else family.name for family in registry.collect()}
    told = Path(__file__).parents[2].joinpath("docs", "operations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(resolver_[a-z_]+)`", told)) == known
