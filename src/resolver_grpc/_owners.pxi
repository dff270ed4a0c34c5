# Owners as changes/packed_owner.py lays them out: reading of them what laying them down needs.

cdef enum:
    HEAD = 36
    SPAN = 10
    TOLD = 6
    HAS_HOME = 1
    HAS_EMAIL = 2
    HAS_ODD_NUMBER = 4
    NO_ORDINAL = 0xFFFFFFFF


cdef struct Owner:
    # What stands at the beginning of a packed owner, see Head, and where its parts lie.
    const uint8_t *head
    uint32_t old
    uint32_t new
    uint32_t address_number
    uint8_t traits
    uint16_t changes
    uint32_t spans
    uint32_t told
    uint32_t keys
    const uint8_t *first_span
    const uint8_t *first_told
    const uint8_t *first_key
    const uint8_t *rest
    const uint8_t *end


cdef bint read_owner(const uint8_t *packed, uint64_t size, Owner *owner) noexcept nogil:
    """Reads a packed owner; False where it is shorter than it says."""
    if size < HEAD:
        return False
    owner.head, owner.end = packed, packed + size
    owner.old, owner.new, owner.address_number = load32(packed), load32(packed + 4), load32(packed + 18)
    owner.traits, owner.changes = packed[26], load16(packed + 27)
    owner.spans, owner.told, owner.keys = load16(packed + 29), load16(packed + 31) + packed[33], load16(packed + 34)
    cdef uint64_t told_at = HEAD + owner.spans * SPAN, keys_at = told_at + owner.told * TOLD
    cdef uint64_t rest_at = keys_at + owner.keys * KEY
    if rest_at > size:
        return False
    owner.first_span, owner.first_told = packed + HEAD, packed + told_at
    owner.first_key, owner.rest = packed + keys_at, packed + rest_at
    return True


cdef inline uint32_t load16(const uint8_t *p) noexcept nogil:
    return <uint32_t>p[0] | <uint32_t>p[1] << 8


cdef inline void store16(uint8_t *p, uint32_t value) noexcept nogil:
    p[0], p[1] = value & 0xFF, value >> 8 & 0xFF


cdef inline void store32(uint8_t *p, uint32_t value) noexcept nogil:
    store16(p, value)
    store16(p + 2, value >> 16)
