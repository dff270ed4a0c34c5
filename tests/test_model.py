"""The words of the domain are those of the wire, number by number."""

from resolver_grpc.model import Fact, Kind, QueryRow, Reason, Relation, Route
from resolver_grpc.v1 import decision_pb2, query_pb2


def numbers_of(wire_enum, prefix):
    return {name.removeprefix(prefix): number for name, number in wire_enum.items()}


def test_the_enumerations_are_those_of_the_wire():
    assert {kind.name: kind.value for kind in Kind} == numbers_of(query_pb2.Kind, "KIND_")
    unspecified = {"UNSPECIFIED": 0}
    assert {route.name: route.value for route in Route} | unspecified == numbers_of(decision_pb2.Route, "ROUTE_")
    assert {reason.name: reason.value for reason in Reason} | unspecified == numbers_of(decision_pb2.Reason, "REASON_")


def test_a_query_has_the_fields_of_the_wire_in_their_order():
    assert tuple(QueryRow.__slots__) == tuple(query_pb2.Query.DESCRIPTOR.fields_by_name)


def test_every_fact_has_a_name_of_its_own_and_relations_one_for_each_sender():
    names = [*Fact, *(relation.to(sender) for relation in Relation for sender in ("power", "town"))]
    assert len({str(name) for name in names}) == len(names)
    assert Relation.OPTED_OUT.to("power") == "opted_out/power"
