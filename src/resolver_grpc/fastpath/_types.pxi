# What the kernel counts with: sizes, the shapes of rows, words, pages, and numbers read from bytes.
# Nothing here reads a request or an index.

cdef extern from "../blake2b.h" nogil:
    int BLAKE2B_BLOCK
    int BLAKE2B_MAX_KEY
    ctypedef struct blake2b_state:
        pass
    void blake2b_begin(blake2b_state *state, size_t digest_size, const uint8_t *key, size_t key_size)
    void blake2b_pass_key(blake2b_state *state)
    int blake2b_has_four()
    void blake2b_end_four(
        const blake2b_state *begun, const uint8_t *blocks, size_t stride, const uint64_t *sizes, uint8_t *digests)
    void blake2b_end_four_wide(
        const blake2b_state *begun, const uint8_t *blocks, size_t stride, const uint64_t *sizes, uint8_t *digests)

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define RESOLVER_PREFETCH(p) __builtin_prefetch(p)
    #else
    #define RESOLVER_PREFETCH(p) ((void)(p))
    #endif
    """
    void RESOLVER_PREFETCH(const void *place) nogil

cdef extern from *:
    """
    #include <stdlib.h>
    #include <string.h>
    #if defined(__linux__)
    #include <sys/mman.h>
    #endif
    /* Zeroed memory for tables that are looked up all over: on large pages of the processor's, where there are some. */
    static void *resolver_table(size_t count, size_t size) {
    #if defined(MADV_HUGEPAGE)
        enum { LARGE = 1 << 21 };
        void *table;
        size_t whole = (count * size + LARGE - 1) / LARGE * LARGE;
        if (count * size >= LARGE) {
            if (posix_memalign(&table, LARGE, whole))
                return NULL;
            madvise(table, whole, MADV_HUGEPAGE);
            return memset(table, 0, whole);
        }
    #endif
        return calloc(count, size);
    }
    """
    void *resolver_table(size_t count, size_t size) nogil

cdef enum:
    KEY = 16
    SLOT = 4
    LANES = 4
    CHUNK = 16
    STRIDE = 128 + CHUNK  # a block, and room for the last chunk's surplus
    MAX_STEPS = 12
    MAX_RECIPES = 48
    MAX_FOLDS = 32
    FIELDS = 18  # the wire's numbers 1-17
    MAX_FIELD = 255  # bytes of a field; longer ones are unusual
    MAX_ROW = 16383  # bytes of a row
    MAX_REFERENCE = 64
    WAYS = 4
    HEAD = 8  # bytes of a memory's place before its word
    ROWS = 256  # of a slice
    GROUP = 16  # rows whose words are looked for at once
    UNSEEN = 64  # words that Python folds in a slice, at most
    KIND_FIELD = 2
    POSTED_FIELD = 17
    LENGTH = 2  # the wire type of fields with a length
    BLANK = 0x20
    AT = 0x40
    NUMBER = 10  # bytes of a CPR number
    HANDLE = 16
    TARGET = HANDLE + NUMBER + 6  # bytes of a target on the wire
    TELLS_HANDLE = 1  # what is told of a target
    TELLS_NUMBER = 2
    NO_DIGIT = 0xF  # of a number that is shorter, in a handle's block
    KINDS = 8  # and routes, which are fewer
    REASONS = 128  # what one byte on the wire has room for
    CODES = 8192  # of the policy
    SEVERAL = 2 << 5  # the code's candidates
    ONE = 1 << 5
    POSTED = 1 << 7
    KIND_SHIFT = 8
    SEVERAL_ROADS = 1 << 11
    OWNER_CODES = 32
    RAW = 0  # the tag of a posting list of plain ordinals
    MOST_ORDINALS = 128  # of such a list
    PARTS = 256  # of a layer's keys
    NO_SLOT = 0xFFFFFFFF  # of a place without a key
    NOBODY = 0xFFFFFFFE  # stands under a key that is known

cdef enum Part:
    WHOLE
    FIRST
    LAST
    FIRST_OF_TWO
    LAST_OF_TWO
    SLICE
    BEFORE_AT
    AFTER_AT

cdef enum Place:  # what a place of a memory holds
    EMPTY
    FOLDED
    REFUSED

cdef enum State:  # of a row
    FAST
    PLAIN

cdef struct Step:
    uint8_t field
    uint8_t part
    uint8_t fold
    uint8_t before  # what stands before it, unless it is the first; 0 for nothing
    uint8_t dropped  # it must be readable, and stays out of the key
    int16_t start
    int16_t stop

cdef struct Recipe:
    uint8_t kind
    uint8_t key_kind
    uint8_t steps_count
    uint8_t street_parts  # so many parts tell the street, which is to be the only one of its text; 0 for none
    uint8_t sized_field
    uint8_t everyone  # it reaches all owners of a key; the others one, or nobody
    uint8_t posted  # a letter could always be sent instead; else the query says so
    uint16_t size
    uint32_t needed
    uint32_t allowed
    Step steps[MAX_STEPS]

cdef struct Fold:
    uint8_t *places  # of a memory; NULL for a fold of single bytes
    uint64_t sets_mask
    uint32_t stride
    uint32_t word_bytes
    uint32_t form_bytes
    uint64_t hits
    uint64_t misses
    uint8_t table[256]  # of a fold of single bytes: what becomes of each, 0 for refused
    uint8_t between[256]  # which of them stand between two others

cdef struct Word:
    const uint8_t *bytes
    uint8_t *set
    uint32_t tag
    uint16_t size
    uint16_t way  # of the set, where it is looked for first

cdef struct Page:
    const uint8_t *bytes
    uint32_t keys

cdef struct Posting:
    const uint8_t *bytes
    uint32_t ordinals

cdef struct Row:
    const uint8_t *reference
    const Recipe *recipe
    const Page *page
    uint64_t lead  # of the key, times the number of buckets
    uint64_t place  # where a layer would have the key
    uint32_t ordinal  # the owner, or one that a miss looks at; of a row for everyone the slot
    uint32_t first_reached  # of a row for everyone: where those whom it reaches begin
    uint32_t reached
    uint8_t reference_size
    uint8_t state
    uint8_t can_be_posted
    uint8_t found
    uint8_t layered  # it was found in a layer
    uint8_t route
    uint8_t reason
    Word words[MAX_STEPS]


cdef inline uint64_t load_big(const uint8_t *p) noexcept nogil:
    return (<uint64_t>p[0] << 56 | <uint64_t>p[1] << 48 | <uint64_t>p[2] << 40 | <uint64_t>p[3] << 32
            | <uint64_t>p[4] << 24 | <uint64_t>p[5] << 16 | <uint64_t>p[6] << 8 | <uint64_t>p[7])


cdef inline uint32_t load_slot(const uint8_t *p) noexcept nogil:
    return <uint32_t>p[0] | <uint32_t>p[1] << 8 | <uint32_t>p[2] << 16 | <uint32_t>p[3] << 24
