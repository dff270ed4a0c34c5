"""The whole schema of an index file, format version 1.

What belongs here: every name, size and number that writer and reader have to agree on, and nothing that
reads or writes. A change of anything in this file that alters bytes is a new ``FORMAT_VERSION``.

One LMDB file holds these named databases; all integers are little-endian, but for LMDB's own integer keys,
which are native unsigned 32-bit as ``MDB_INTEGERKEY`` demands:

========== ======================== ==================================================================
database   key                      value
========== ======================== ==================================================================
header     ``HEADER_KEY``           ``HEADER``: format, owners, buckets, posting lists, forwardings, id
pages      bucket (integer)         the bucket's keys in order, 16 bytes each, then a slot for each
postings   posting list (integer)   tag byte, then raw ordinals or a portable roaring bitmap;
                                    several keys may share one
facts      fact's name              counts, instants, ordinals, two roaring bitmaps (``intervals.py``)
columns    name, ``/``, chunk (BE)  up to ``CHUNK_VALUES`` values, AES-256-GCM
roads      16-byte key              tag byte
========== ======================== ==================================================================
"""

from __future__ import annotations

import struct
from typing import Final

FORMAT_VERSION: Final = 1
LAST_VERSION: Final = 999
"""What states a later format is damaged, and its number is not quoted: it could be anybody's."""

INDEX_FILE: Final = "index.lmdb"

HEADER_DATABASE: Final = b"header"
PAGES_DATABASE: Final = b"pages"
POSTINGS_DATABASE: Final = b"postings"
FACTS_DATABASE: Final = b"facts"
COLUMNS_DATABASE: Final = b"columns"
ROADS_DATABASE: Final = b"roads"
DATABASES: Final = (
    HEADER_DATABASE,
    PAGES_DATABASE,
    POSTINGS_DATABASE,
    FACTS_DATABASE,
    COLUMNS_DATABASE,
    ROADS_DATABASE,
)
INTEGER_KEY_DATABASES: Final = frozenset({PAGES_DATABASE, POSTINGS_DATABASE})

INTEGER_KEY: Final = struct.Struct("=I")

# Format version, owners, buckets, posting lists, forwardings, snapshot id.
HEADER_KEY: Final = b"header"
HEADER: Final = struct.Struct("<IIIII16s")
SNAPSHOT_ID_BYTES: Final = 16

# Pages. 178 keys a bucket on average: a page of 4,080 bytes holds 204, so that one bucket in 40 needs a second
# page of the file. That is where the file is smallest: 23.6 bytes a key, 24.7 at 166 keys or at 190.
KEY_BYTES: Final = 16
SLOT_BYTES: Final = 4
ENTRY_BYTES: Final = KEY_BYTES + SLOT_BYTES
KEYS_PER_BUCKET: Final = 178
POSTING_BIT: Final = 0x8000_0000
MAX_OWNERS: Final = POSTING_BIT
MAX_POSTINGS: Final = POSTING_BIT

# Postings. Up to this many ordinals a raw list is smaller than a bitmap.
RAW_POSTING: Final = 0
ROARING_POSTING: Final = 1
MAX_RAW_ORDINALS: Final = 128

# Columns.
CHUNK_VALUES: Final = 65_536
NUMBER_COLUMN: Final = "number"
ADDRESS_NUMBER_COLUMN: Final = "address_number"
FORWARDING_ORDINAL_COLUMN: Final = "forwarding_ordinal"
FORWARDING_ADDRESS_COLUMN: Final = "forwarding_address"
COLUMN_TYPES: Final = {
    NUMBER_COLUMN: "S10",
    ADDRESS_NUMBER_COLUMN: "<u4",
    FORWARDING_ORDINAL_COLUMN: "<u4",
    FORWARDING_ADDRESS_COLUMN: "S254",
}
NUMBER_BYTES: Final = 10
FORWARDING_ADDRESS_BYTES: Final = 254
COLUMNS_KEY_BYTES: Final = 32

# Roads: what a text's postal code, street and, for the second, town say about the road.
STREET_SHARED: Final = 1
TOWN_TELLS: Final = 2
ROAD_TAGS: Final = frozenset({STREET_SHARED, TOWN_TELLS})

# Times are UTC seconds, intervals [start, end).
ALWAYS: Final = 0
FOREVER: Final = 0xFFFF_FFFF

# Facts: their names are ``model.Fact``'s and, for each sender, what ``model.Relation.to`` gives.


def chunk_key(column: str, number: int) -> bytes:
    """Names a chunk of a column, so that the chunks of a column follow each other in their order."""
    return b"%s/%s" % (column.encode(), number.to_bytes(4, "big"))


def bucket_of(key: bytes, buckets: int) -> int:
    """Tells a key's bucket: keys are uniform, so their leading 32 bits scale to the number of buckets."""
    return (int.from_bytes(key[:4], "big") * buckets) >> 32


def bucket_count(keys: int) -> int:
    """Tells how many buckets an index of so many keys has; never none."""
    return max(1, -(-keys // KEYS_PER_BUCKET))
