"""Every error has its place in the one table from errors to gRPC status."""

import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from resolver_grpc import errors
from resolver_grpc.errors import ResolverError, TooManyQueriesError
from resolver_grpc.server.status import STATUS_CODES, refusal


def every_error(root=ResolverError):
    return {root}.union(*map(every_error, root.__subclasses__()))


def test_the_table_has_every_error_and_no_other():
    assert set(STATUS_CODES) == every_error()
    assert {
        one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)
    } <= every_error()


def test_every_error_has_a_reason_of_its_own():
    reasons = [one.reason for one in every_error()]
    assert len(set(reasons)) == len(reasons)


@pytest.mark.parametrize("error_type", sorted(every_error(), key=lambda one: one.__name__))
def test_what_leaves_is_the_errors_own_sentence_or_a_neutral_one(error_type):
    code, sentence, ((key, details),) = refusal(error_type("what is wrong", limit=7))
    status, info = Status.FromString(details), ErrorInfo()
    status.details[0].Unpack(info)
    assert code is STATUS_CODES[error_type]
    assert (key, status.code, status.message) == ("grpc-status-details-bin", code.value[0], sentence)
    assert info.domain == "resolver-grpc"
    if code is StatusCode.INTERNAL:
        assert (info.reason, dict(info.metadata)) == ("INTERNAL", {})
        assert "what is wrong" not in sentence
    else:
        assert (info.reason, dict(info.metadata)) == (error_type.reason, {"limit": "7"})
        assert sentence == "what is wrong"


def test_any_other_exception_becomes_internal_without_its_text():
    code, sentence, metadata = refusal(KeyError("0101801239"))
    assert code is StatusCode.INTERNAL
    assert "0101801239" not in f"{sentence} {metadata}"


def test_metadata_tell_the_limit():
    assert TooManyQueriesError("split it", max_queries=10).metadata == {"max_queries": "10"}
