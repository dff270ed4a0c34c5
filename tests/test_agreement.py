"""Server and brute force agree on every decision of a generated population, and so do all ways to ask.

The small population runs with the suite; `make agree` runs the large one.
"""

import itertools
import json
from datetime import date

import grpc
import pytest

from resolver_grpc.build.plain import draft_snapshot
from resolver_grpc.build.population.generation import Settings, noon
from resolver_grpc.build.population.writing import write_population
from resolver_grpc.build.snapshot import Inputs, build_snapshot
from resolver_grpc.client import ResolverClient
from resolver_grpc.handles import Handles
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.key_file import create_key_file
from resolver_grpc.model import Kind, QueryRow, Reason, Route
from resolver_grpc.resolve import Resolver
from resolver_grpc.server.batch import Batches
from resolver_grpc.server.senders import read_senders
from resolver_grpc.times import register_window
from resolver_grpc.v1 import resolver_service_pb2 as wire
from resolver_grpc.v1.query_pb2 import Query
from small_register import BuiltRegister, quiet, serving

DAY = date(2026, 11, 1)
BATCH_SIZES = (1, 7, 1_000, 10_000)


def population(folder, persons, queries, seed):
    """Writes a population, builds its snapshot and a memory index of the same content, and reads the queries."""
    settings = Settings(persons, queries, seed, DAY, noon(DAY))
    write_population(settings, folder, "parquet")
    inputs = Inputs(*(folder / f"{table}.parquet" for table in ("persons", "mailboxes", "relations", "roads")))
    key = create_key_file(folder / "index.key")
    instant = int(settings.as_of.timestamp())
    built = build_snapshot(inputs, folder / "snapshot", key, instant, quiet)
    senders = read_senders(folder / "senders.toml")
    with (folder / "queries.jsonl").open(encoding="utf-8") as file:
        asked = [json.loads(line) for line in file]
    content = draft_snapshot(inputs, key, instant, quiet).content
    valid_from, horizon = register_window(DAY)
    memory = Resolver(MemoryIndex(content), key.index_keys, valid_from, Handles([key.handles_secret]))
    batches = Batches(memory, built.manifest, senders, horizon, instant)
    return BuiltRegister(folder / "snapshot", key, folder / "index.key", built), batches, asked, instant


def parse_asked(row):
    """A line of queries.jsonl: what goes into the request, the query, and what is expected of it."""
    fields = {name: value for name, value in row.items() if name in QueryRow.__slots__}
    kind = fields.pop("kind")
    fields["handle"] = bytes.fromhex(fields.get("handle", ""))
    query = Query(kind=Kind[kind] if kind in Kind.__members__ else kind, **fields)
    expected = row["expected"]
    told = (
        query.reference,
        Route[expected["route"]],
        Reason[expected["reason"]],
        expected["field"],
        [(target["number"], target["forwarding_address"]) for target in expected["targets"]],
    )
    return (row["sender_id"], row["personal_content"]), query, told


def told(decision):
    targets = [(target.number, target.forwarding_address) for target in decision.targets]
    return decision.reference, decision.route, decision.reason, decision.field, targets


def requests(envelope, queries, size):
    sender_id, personal_content = envelope
    for start in range(0, len(queries), size):
        yield wire.ResolveBatchRequest(
            sender_id=sender_id, personal_content=personal_content, queries=queries[start : start + size]
        )


def check_agreement(register, memory, asked, instant, batch_sizes):
    """Asks a real server everything, in batches of every size, and holds it to brute force and memory index."""
    by_envelope = {}
    for envelope, query, expected in map(parse_asked, asked):
        by_envelope.setdefault(envelope, []).append((query, expected))
    limits = [("grpc.max_receive_message_length", -1)]
    disagreements, compared = [], 0
    with (
        serving(register, memory.senders, as_of=instant) as server,
        grpc.insecure_channel(server.target, limits) as channel,
    ):
        ask = channel.unary_unary("/resolver_grpc.v1.ResolverService/ResolveBatch")  # bytes in, bytes out
        for envelope, rows in by_envelope.items():
            queries = [query for query, _ in rows]
            decided = set()
            for size in batch_sizes:
                decisions = []
                for request in requests(envelope, queries, size):
                    data = request.SerializeToString()
                    answer = ask(data)
                    assert answer == memory.answer(data, instant), "the two indexes differ"
                    decisions += wire.ResolveBatchResponse.FromString(answer).decisions
                decided.add(b"".join(decision.SerializeToString() for decision in decisions))
                compared += len(decisions)
            assert len(decided) == 1, "batches of other sizes differ"
            for decision, (query, expected) in itertools.zip_longest(decisions, rows):
                if told(decision) != expected:
                    disagreements.append((envelope, query, expected, decision))
    assert not disagreements, f"{len(disagreements)} disagree, the first: {disagreements[0]}"
    assert compared == len(asked) * len(batch_sizes)


@pytest.mark.parametrize("seed", [1, 2])
def test_server_and_brute_force_agree_on_every_decision(tmp_path, seed):
    register, memory, asked, instant = population(tmp_path, 1_000, 3_000, seed)
    check_agreement(register, memory, asked, instant, BATCH_SIZES)


@pytest.mark.large
def test_server_and_brute_force_agree_on_100_000_persons_and_100_000_queries(tmp_path):
    register, memory, asked, instant = population(tmp_path, 100_000, 100_000, 42)
    check_agreement(register, memory, asked, instant, BATCH_SIZES)
    outcomes = {(row["expected"]["route"], row["expected"]["reason"]) for row in asked}
    print(f"\n{len(asked):,} queries, {len(outcomes)} kinds of outcome, each in batches of {BATCH_SIZES}: all agree")  # noqa: T201


def test_the_client_gives_the_same_decisions_in_the_same_order(tmp_path):
    register, memory, asked, instant = population(tmp_path, 300, 1_000, 3)
    rows = [parse_asked(row) for row in asked]
    envelope = rows[0][0]
    mine = [(query, expected) for other, query, expected in rows if other == envelope]
    with (
        serving(register, memory.senders, as_of=instant) as server,
        ResolverClient(server.target, batch_size=7, in_flight=3) as client,
    ):
        queries = (query for query, _ in mine)
        decisions = client.resolve(queries, sender_id=envelope[0], personal_content=envelope[1])
        assert [told(decision) for decision in decisions] == [expected for _, expected in mine]
