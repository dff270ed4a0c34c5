# What the machine counts with: sizes, facts by number, the layout of a packed owner, and an owner as it is worked on.
# ``packed_owner.py`` and ``after.py`` say what the layouts mean; tests/changes/test_owner_machine.py compares.

cdef enum:
    KEY = 16
    NUMBER = 10
    BASE = 8
    HEAD = 36
    SPAN = 10
    TOLD = 6
    AFTER_HEAD = BASE + KEY + 6
    MOST_SPANS = 256
    MOST_TOLD = 255
    MOST_KNOWN = 32
    COMMON = 11

# ``model.Fact``, in its order.
cdef enum:
    MAILBOX = 0
    LOGIN = 1
    PRIVATE_CLOSED = 2
    RESIDENT = 3
    REGISTERED = 4
    PROTECTION = 5
    CONSENT = 6
    CLAIM = 7
    CONTESTED = 8
    EXEMPT = 9
    FORWARDING = 10

cdef enum:
    HAS_HOME = 1
    HAS_EMAIL = 2
    HAS_ODD_NUMBER = 4
    IS_KEYLESS = 8

# The ways in which a fact changes: ``machine.py`` says which event takes which.
cdef enum:
    NOT_AT_ALL = 0
    BEGINS = 1
    ENDS = 2
    LASTS = 3
    CLOSES = 4
    BEGINS_EARLIEST = 5
    IS_NOTICED = 6
    IS_VERIFIED = 7

cdef enum:
    BY_ADDRESS = 0
    BY_EMAIL = 1

cdef uint32_t ALWAYS = 0
cdef uint32_t FOREVER = 0xFFFFFFFF
cdef uint32_t NO_ORDINAL = 0xFFFFFFFF
cdef uint32_t POSTING_BIT = 0x80000000

cdef struct Span:
    uint32_t fact
    uint32_t start
    uint32_t end

cdef struct Told:
    uint32_t fact
    uint32_t instant


cdef inline uint32_t load(const uint8_t *p) noexcept nogil:
    return <uint32_t>p[0] | <uint32_t>p[1] << 8 | <uint32_t>p[2] << 16 | <uint32_t>p[3] << 24


cdef inline uint32_t load_short(const uint8_t *p) noexcept nogil:
    return <uint32_t>p[0] | <uint32_t>p[1] << 8


cdef inline void store(uint8_t *p, uint32_t value) noexcept nogil:
    p[0], p[1], p[2], p[3] = value & 0xFF, value >> 8 & 0xFF, value >> 16 & 0xFF, value >> 24


cdef inline void store_short(uint8_t *p, uint32_t value) noexcept nogil:
    p[0], p[1] = value & 0xFF, value >> 8 & 0xFF


cdef inline void hash_form(const blake2b_state *begun, bytes form, uint8_t *key):
    """The key of a canonical form, which begins with its kind's byte."""
    cdef blake2b_state state = begun[0]
    blake2b_update(&state, <const uint8_t *><char *>form, len(form))
    blake2b_end(&state, key, KEY)
