"""Metrics: what is counted, and the page that shows it, of one process and of several."""

import re
import signal
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import grpc
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry
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
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub
from small_register import ANN, BO, NOON, build_register

SENDERS = """[[senders]]
id = "town"
name = "Town"
cvr = "61126228"
class = "PUBLIC"
kinds = ["CPR"]
"""


def served_with(generation=3, **memories):
    """What is served, as far as metrics look at it."""
    return SimpleNamespace(valid_from=1_000, generation=generation, memories=lambda: dict(memories))


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
        metrics.note_batch({(Route.MAILBOX, Reason.DELIVERABLE): 7, (Route.REJECT, Reason.NOT_FOUND): 2}, 0.004)
        metrics.note_refusal("INVALID_ARGUMENT")
        page = read_page(address)
        with pytest.raises(ConfigurationError, match="choose a port that is free"), showing(address, registry):
            pass
    assert page["resolver_batch_seconds_count",] == 1
    assert page["resolver_batch_seconds_bucket", "0.005"] == 1
    assert page["resolver_batch_seconds_bucket", "0.002"] == 0
    assert page["resolver_batch_queries_sum",] == 9
    assert page["resolver_queries_total", "DELIVERABLE", "MAILBOX"] == 7
    assert page["resolver_queries_total", "NOT_FOUND", "REJECT"] == 2
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
    assert page["resolver_generation",] == 0
    assert page["resolver_register_age_seconds",] > 0


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


def test_gauges_of_processes_that_are_no_more_are_forgotten():
    with counting_together() as registry:
        folder = Path(next(iter(registry.collect.__self__._collector_to_names))._folder)
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
