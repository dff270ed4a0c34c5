/* BLAKE2b (RFC 7693) in plain C, for the kernels; it knows bytes, and nothing of keys or kinds.
 *
 * What belongs here: the hash function, sequential and keyed, and the end of four short messages at once
 * where the processor has AVX2. No heap, no Python, no globals that change: callable from any thread, without
 * the GIL. `hashlib` is the oracle of every function here (tests/test_bulk_keys.py).
 *
 * A message is hashed by blake2b_begin, any number of blake2b_update, and blake2b_end. A state is a plain value:
 * one that was begun under a key may be copied, and each copy hashes its own message, so that the block of the
 * key is compressed once for millions of messages.
 */
#ifndef RESOLVER_GRPC_BLAKE2B_H
#define RESOLVER_GRPC_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define BLAKE2B_FOUR 1
#include <immintrin.h>
#else
#define BLAKE2B_FOUR 0
#endif

enum { BLAKE2B_BLOCK = 128, BLAKE2B_ROUNDS = 12, BLAKE2B_MAX_KEY = 64, BLAKE2B_MAX_DIGEST = 64 };

typedef struct {
    uint64_t h[8];                /* the chaining value */
    uint64_t compressed;          /* bytes compressed so far: the low word of RFC 7693's counter t; the high stays 0 */
    size_t filled;                /* bytes that wait in `block`; a full one waits too, for it may be the last */
    uint8_t block[BLAKE2B_BLOCK];
} blake2b_state;

/* RFC 7693, section 2.6. */
static const uint64_t blake2b_iv[8] = {
    0x6a09e667f3bcc908ULL, 0xbb67ae8584caa73bULL, 0x3c6ef372fe94f82bULL, 0xa54ff53a5f1d36f1ULL,
    0x510e527fade682d1ULL, 0x9b05688c2b3e6c1fULL, 0x1f83d9abfb41bd6bULL, 0x5be0cd19137e2179ULL,
};

/* RFC 7693, section 2.7; rounds 10 and 11 take rows 0 and 1 again. */
static const uint8_t blake2b_sigma[BLAKE2B_ROUNDS][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

/* The mixing function G of section 3.1 and one round of eight G, on words of any type: `v` and `m` are arrays of it,
 * and ADD, XOR and the four rotations to the right are its operations. The round's number is a literal, so that the
 * compiler knows every index. */
#define BLAKE2B_G(P, a, b, c, d, x, y)       \
    do {                                     \
        a = P##ADD(P##ADD(a, b), x);         \
        d = P##ROTATE_32(P##XOR(d, a));      \
        c = P##ADD(c, d);                    \
        b = P##ROTATE_24(P##XOR(b, c));      \
        a = P##ADD(P##ADD(a, b), y);         \
        d = P##ROTATE_16(P##XOR(d, a));      \
        c = P##ADD(c, d);                    \
        b = P##ROTATE_63(P##XOR(b, c));      \
    } while (0)

#define BLAKE2B_MIX(P, r, i, a, b, c, d) \
    BLAKE2B_G(P, v[a], v[b], v[c], v[d], m[blake2b_sigma[r][2 * (i)]], m[blake2b_sigma[r][2 * (i) + 1]])

#define BLAKE2B_ROUND(P, r)                  \
    do {                                     \
        BLAKE2B_MIX(P, r, 0, 0, 4, 8, 12);   \
        BLAKE2B_MIX(P, r, 1, 1, 5, 9, 13);   \
        BLAKE2B_MIX(P, r, 2, 2, 6, 10, 14);  \
        BLAKE2B_MIX(P, r, 3, 3, 7, 11, 15);  \
        BLAKE2B_MIX(P, r, 4, 0, 5, 10, 15);  \
        BLAKE2B_MIX(P, r, 5, 1, 6, 11, 12);  \
        BLAKE2B_MIX(P, r, 6, 2, 7, 8, 13);   \
        BLAKE2B_MIX(P, r, 7, 3, 4, 9, 14);   \
    } while (0)

#define BLAKE2B_ALL_ROUNDS(P)                                                                      \
    do {                                                                                           \
        BLAKE2B_ROUND(P, 0); BLAKE2B_ROUND(P, 1); BLAKE2B_ROUND(P, 2); BLAKE2B_ROUND(P, 3);        \
        BLAKE2B_ROUND(P, 4); BLAKE2B_ROUND(P, 5); BLAKE2B_ROUND(P, 6); BLAKE2B_ROUND(P, 7);        \
        BLAKE2B_ROUND(P, 8); BLAKE2B_ROUND(P, 9); BLAKE2B_ROUND(P, 10); BLAKE2B_ROUND(P, 11);      \
    } while (0)

#define BLAKE2B_ONE_ADD(x, y) ((x) + (y))
#define BLAKE2B_ONE_XOR(x, y) ((x) ^ (y))
#define BLAKE2B_ONE_ROTATE_32(x) blake2b_rotate(x, 32)
#define BLAKE2B_ONE_ROTATE_24(x) blake2b_rotate(x, 24)
#define BLAKE2B_ONE_ROTATE_16(x) blake2b_rotate(x, 16)
#define BLAKE2B_ONE_ROTATE_63(x) blake2b_rotate(x, 63)

static inline uint64_t blake2b_rotate(uint64_t word, unsigned bits)
{
    return (word >> bits) | (word << (64 - bits));
}

/* A little-endian word, on any machine and from any address; compilers make one load of it. */
static inline uint64_t blake2b_load(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

/* The compression function F of section 3.2. `counter` is the number of bytes up to this block's end. */
static inline void blake2b_compress(uint64_t h[8], const uint8_t block[BLAKE2B_BLOCK], uint64_t counter, int last)
{
    uint64_t v[16], m[16];
    int i;

    for (i = 0; i < 16; i++)
        m[i] = blake2b_load(block + 8 * i);
    for (i = 0; i < 8; i++) {
        v[i] = h[i];
        v[i + 8] = blake2b_iv[i];
    }
    v[12] ^= counter;
    if (last)
        v[14] = ~v[14];
    BLAKE2B_ALL_ROUNDS(BLAKE2B_ONE_);
    for (i = 0; i < 8; i++)
        h[i] ^= v[i] ^ v[i + 8];
}

/* Takes in more of the message. */
static inline void blake2b_update(blake2b_state *state, const uint8_t *bytes, size_t size)
{
    size_t room, taken;

    while (size) {
        if (state->filled == BLAKE2B_BLOCK) {
            state->compressed += BLAKE2B_BLOCK;
            blake2b_compress(state->h, state->block, state->compressed, 0);
            state->filled = 0;
        }
        room = BLAKE2B_BLOCK - state->filled;
        taken = size < room ? size : room;
        memcpy(state->block + state->filled, bytes, taken);
        state->filled += taken;
        bytes += taken;
        size -= taken;
    }
}

/* Begins a digest of 1 to BLAKE2B_MAX_DIGEST bytes, under a key of 0 (none) to BLAKE2B_MAX_KEY bytes. The block of
 * the key waits uncompressed, for it is the last of an empty message; blake2b_pass_key makes it pass. */
static inline void blake2b_begin(blake2b_state *state, size_t digest_size, const uint8_t *key, size_t key_size)
{
    memset(state, 0, sizeof *state);
    memcpy(state->h, blake2b_iv, sizeof state->h);
    state->h[0] ^= 0x01010000ULL ^ (uint64_t)key_size << 8 ^ (uint64_t)digest_size;
    if (key_size) {
        memcpy(state->block, key, key_size);
        state->filled = BLAKE2B_BLOCK;
    }
}

/* Compresses the block of the key that waits, if any: right only where the message is not empty. */
static inline void blake2b_pass_key(blake2b_state *state)
{
    if (state->filled == BLAKE2B_BLOCK) {
        state->compressed = BLAKE2B_BLOCK;
        blake2b_compress(state->h, state->block, state->compressed, 0);
        state->filled = 0;
    }
}

/* Writes the digest's bytes; the state is spent. */
static inline void blake2b_end(blake2b_state *state, uint8_t *digest, size_t digest_size)
{
    size_t i;

    memset(state->block + state->filled, 0, BLAKE2B_BLOCK - state->filled);
    blake2b_compress(state->h, state->block, state->compressed + state->filled, 1);
    for (i = 0; i < digest_size; i++)
        digest[i] = (uint8_t)(state->h[i / 8] >> 8 * (i % 8));
}

/* Digests of 16 bytes of four messages that fit one block each, all from the state `begun` (key passed, nothing
 * waiting, a digest of 16 bytes).
 *
 * blocks: four blocks, `stride` bytes apart, filled up with zeros; sizes: the messages' own sizes.
 * digests: 64 bytes, digest after digest. */
static inline void blake2b_end_four(
    const blake2b_state *begun, const uint8_t *blocks, size_t stride, const uint64_t sizes[4], uint8_t *digests)
{
    uint64_t h[8];
    int lane, i;

    for (lane = 0; lane < 4; lane++) {
        memcpy(h, begun->h, sizeof h);
        blake2b_compress(h, blocks + lane * stride, begun->compressed + sizes[lane], 1);
        for (i = 0; i < 16; i++)
            digests[16 * lane + i] = (uint8_t)(h[i / 8] >> 8 * (i % 8));
    }
}

/* The same, the messages side by side in the lanes of AVX2's registers. */

#if BLAKE2B_FOUR

#define BLAKE2B_AVX2 __attribute__((target("avx2")))
#define BLAKE2B_FOUR_ADD(x, y) _mm256_add_epi64(x, y)
#define BLAKE2B_FOUR_XOR(x, y) _mm256_xor_si256(x, y)
#define BLAKE2B_FOUR_ROTATE_32(x) _mm256_shuffle_epi32(x, 0xb1)
#define BLAKE2B_FOUR_ROTATE_24(x) _mm256_shuffle_epi8(x, by_24)
#define BLAKE2B_FOUR_ROTATE_16(x) _mm256_shuffle_epi8(x, by_16)
#define BLAKE2B_FOUR_ROTATE_63(x) blake2b_four_rotate_63(x)

BLAKE2B_AVX2 static inline __m256i blake2b_four_rotate_63(__m256i x)
{
    return _mm256_or_si256(_mm256_srli_epi64(x, 63), _mm256_add_epi64(x, x));
}

/* Words 4q to 4q + 3 of four blocks, from one row of each block to one lane of each word. */
BLAKE2B_AVX2 static inline void blake2b_four_words(__m256i m[4], const uint8_t *blocks, size_t stride)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)blocks);
    __m256i b = _mm256_loadu_si256((const __m256i *)(blocks + stride));
    __m256i c = _mm256_loadu_si256((const __m256i *)(blocks + 2 * stride));
    __m256i d = _mm256_loadu_si256((const __m256i *)(blocks + 3 * stride));
    __m256i ab_even = _mm256_unpacklo_epi64(a, b), ab_odd = _mm256_unpackhi_epi64(a, b);
    __m256i cd_even = _mm256_unpacklo_epi64(c, d), cd_odd = _mm256_unpackhi_epi64(c, d);

    m[0] = _mm256_permute2x128_si256(ab_even, cd_even, 0x20);
    m[1] = _mm256_permute2x128_si256(ab_odd, cd_odd, 0x20);
    m[2] = _mm256_permute2x128_si256(ab_even, cd_even, 0x31);
    m[3] = _mm256_permute2x128_si256(ab_odd, cd_odd, 0x31);
}

/* As blake2b_end_four. Call it only where blake2b_has_four() says so. */
BLAKE2B_AVX2 static inline void blake2b_end_four_wide(
    const blake2b_state *begun, const uint8_t *blocks, size_t stride, const uint64_t sizes[4], uint8_t *digests)
{
    const __m256i by_24 = _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
                                           3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10);
    const __m256i by_16 = _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
                                           2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9);
    __m256i v[16], m[16], low, high, counters;
    int i;

    for (i = 0; i < 4; i++)
        blake2b_four_words(m + 4 * i, blocks + 32 * i, stride);
    for (i = 0; i < 8; i++) {
        v[i] = _mm256_set1_epi64x((long long)begun->h[i]);
        v[i + 8] = _mm256_set1_epi64x((long long)blake2b_iv[i]);
    }
    counters = _mm256_loadu_si256((const __m256i *)sizes);
    counters = _mm256_add_epi64(counters, _mm256_set1_epi64x((long long)begun->compressed));
    v[12] = _mm256_xor_si256(v[12], counters);
    v[14] = _mm256_xor_si256(v[14], _mm256_set1_epi64x(-1));
    BLAKE2B_ALL_ROUNDS(BLAKE2B_FOUR_);
    low = _mm256_xor_si256(_mm256_set1_epi64x((long long)begun->h[0]), _mm256_xor_si256(v[0], v[8]));
    high = _mm256_xor_si256(_mm256_set1_epi64x((long long)begun->h[1]), _mm256_xor_si256(v[1], v[9]));
    v[0] = _mm256_unpacklo_epi64(low, high);
    v[1] = _mm256_unpackhi_epi64(low, high);
    _mm256_storeu_si256((__m256i *)digests, _mm256_permute2x128_si256(v[0], v[1], 0x20));
    _mm256_storeu_si256((__m256i *)(digests + 32), _mm256_permute2x128_si256(v[0], v[1], 0x31));
}

/* Whether this processor can run blake2b_end_four. */
static inline int blake2b_has_four(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") != 0;
}

#else

static inline int blake2b_has_four(void)
{
    return 0;
}

#define blake2b_end_four_wide blake2b_end_four

#endif
#endif
