# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The kernel of ``bulk_keys``: rows of indices into texts in, 16 bytes a row out, without the GIL.

It knows bytes and nothing of keys or kinds, and trusts its caller, ``bulk_keys.py``, for every check: indices in
range, edges in order and within their data. Four rows are hashed at once. A row that fits one block is gathered
on the stack; a longer one takes the road of any length.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from "blake2b.h" nogil:
    int BLAKE2B_BLOCK
    int BLAKE2B_MAX_KEY
    ctypedef struct blake2b_state:
        pass
    void blake2b_begin(blake2b_state *state, size_t digest_size, const uint8_t *key, size_t key_size)
    void blake2b_pass_key(blake2b_state *state)
    void blake2b_update(blake2b_state *state, const uint8_t *bytes, size_t size)
    void blake2b_end(blake2b_state *state, uint8_t *digest, size_t digest_size)
    int blake2b_has_four()
    void blake2b_end_four(
        const blake2b_state *begun, const uint8_t *blocks, size_t stride, const uint64_t *sizes, uint8_t *digests)
    void blake2b_end_four_wide(
        const blake2b_state *begun, const uint8_t *blocks, size_t stride, const uint64_t *sizes, uint8_t *digests)

WIDE = bool(blake2b_has_four())
"""Whether this processor can hash four rows side by side."""

cdef enum:
    PARTS = 8
    KEY = 16
    LANES = 4
    CHUNK = 16  # bytes that a short text is copied by
    STRIDE = 128 + CHUNK  # a block, and room for the last chunk's surplus

cdef struct Part:
    const uint8_t *data
    const int64_t *edges
    const uint32_t *indices
    int64_t size  # of the data

cdef struct Job:
    Part parts[PARTS]
    int part_count
    uint8_t kind
    uint8_t separator
    blake2b_state begun


def fill_keys(
    const uint8_t[::1] secret,
    uint8_t kind,
    uint8_t separator,
    list parts,
    Py_ssize_t first,
    uint8_t[:, ::1] keys,
    bint wide,
):
    """Hashes the rows from ``first`` on, as many as ``keys`` has, into ``keys``."""
    cdef Job job
    cdef const uint8_t[::1] data
    cdef const int64_t[::1] edges
    cdef const uint32_t[::1] indices
    cdef Part *part
    if len(parts) > PARTS or secret.shape[0] > BLAKE2B_MAX_KEY or keys.shape[1] != KEY:
        raise ValueError("more parts, or a longer secret, than the kernel takes, or keys of another size")
    job.kind = kind
    job.separator = separator
    job.part_count = len(parts)
    for number in range(job.part_count):
        data, edges, indices = parts[number]  # the list keeps them alive
        part = &job.parts[number]
        part.data = &data[0]
        part.edges = &edges[0]
        part.indices = &indices[0]
        part.size = data.shape[0]
    with nogil:
        blake2b_begin(&job.begun, KEY, &secret[0], secret.shape[0])
        blake2b_pass_key(&job.begun)
        hash_rows(&job, first, keys.shape[0], &keys[0, 0], wide and blake2b_has_four())


cdef void hash_rows(const Job *job, Py_ssize_t first, Py_ssize_t count, uint8_t *keys, bint wide) noexcept nogil:
    cdef uint8_t blocks[LANES * STRIDE]
    cdef uint64_t sizes[LANES]
    cdef uint8_t digests[LANES * KEY]
    cdef Py_ssize_t rows[LANES]
    cdef Py_ssize_t row
    cdef int lane, lanes = 0
    memset(blocks, 0, sizeof(blocks))
    memset(sizes, 0, sizeof(sizes))
    for row in range(count):
        sizes[lanes] = gather(job, first + row, blocks + lanes * STRIDE)
        if not sizes[lanes]:
            hash_long(job, first + row, keys + row * KEY)
            continue
        rows[lanes] = row
        lanes += 1
        if lanes == LANES:
            end_four(&job.begun, blocks, sizes, digests, wide)
            for lane in range(LANES):
                memcpy(keys + rows[lane] * KEY, digests + lane * KEY, KEY)
            lanes = 0
    if lanes:  # what the lanes left over hold is hashed too, and not looked at
        end_four(&job.begun, blocks, sizes, digests, wide)
        for lane in range(lanes):
            memcpy(keys + rows[lane] * KEY, digests + lane * KEY, KEY)


cdef inline void end_four(
    const blake2b_state *begun, const uint8_t *blocks, const uint64_t *sizes, uint8_t *digests, bint wide
) noexcept nogil:
    if wide:
        blake2b_end_four_wide(begun, blocks, STRIDE, sizes, digests)
    else:
        blake2b_end_four(begun, blocks, STRIDE, sizes, digests)


cdef inline uint64_t gather(const Job *job, Py_ssize_t row, uint8_t *block) noexcept nogil:
    """Lays a row's message into a block, zeros behind it; gives its size, or 0 if the block is too small."""
    cdef const Part *part
    cdef const int64_t *edge
    cdef int64_t at = 1, size
    cdef int number
    block[0] = job.kind
    for number in range(job.part_count):
        part = &job.parts[number]
        edge = part.edges + part.indices[row]
        size = edge[1] - edge[0]
        if number:
            block[at] = job.separator  # at most one byte past the block, and then the next line leaves
            at += 1
        if size > BLAKE2B_BLOCK - at:
            return 0
        copy(block + at, part.data + edge[0], size, part.size - edge[0])
        at += size
    size = at
    while at < BLAKE2B_BLOCK:
        memset(block + at, 0, CHUNK)
        at += CHUNK
    return size


cdef inline void copy(uint8_t *to, const uint8_t *text, int64_t size, int64_t readable) noexcept nogil:
    """Copies a text by chunks, unless the last would reach past the data's end.

    The first is copied whatever the size, 0 too: most texts fit it, and no processor can guess their sizes.
    """
    cdef int64_t at = CHUNK
    if readable < size + CHUNK:
        memcpy(to, text, size)
        return
    memcpy(to, text, CHUNK)
    while at < size:
        memcpy(to + at, text + at, CHUNK)
        at += CHUNK


cdef void hash_long(const Job *job, Py_ssize_t row, uint8_t *key) noexcept nogil:
    """Hashes a row of any size."""
    cdef blake2b_state state = job.begun
    cdef const Part *part
    cdef const int64_t *edge
    cdef int number
    blake2b_update(&state, &job.kind, 1)
    for number in range(job.part_count):
        part = &job.parts[number]
        edge = part.edges + part.indices[row]
        if number:
            blake2b_update(&state, &job.separator, 1)
        blake2b_update(&state, part.data + edge[0], edge[1] - edge[0])
    blake2b_end(&state, key, KEY)
