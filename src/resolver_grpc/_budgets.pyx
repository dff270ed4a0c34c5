# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What is done to a slot of the file of budgets at every request: loops of a sketch, an account charged, keys counted.

``budgets/sketch.py`` and ``budgets/slots.py`` have all of it in Python, too, which says why; the same bytes come of both.
Between two batches no code of Python's is in the processor's caches any more, and running it takes several times what it
takes by itself: that is what this module saves.
"""

from libc.errno cimport EINTR, ENOSPC, errno
from libc.math cimport INFINITY, floor, log, sqrt
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset, strerror
from posix.types cimport off_t
from posix.unistd cimport pread, pwrite


cdef enum:
    HALF = 8  # bytes of half a key
    INDEX_BITS = 12
    REGISTERS = 1 << INDEX_BITS
    RANKS = 256
    ACCOUNT = 128  # bytes before the sketches
    SENDER = 64  # bytes of an account's sender


cdef packed struct Numbers:
    # As ``budgets/account.py`` has them behind the sender.
    double paid_until
    uint32_t day
    double misses
    double addresses


cdef packed struct Account:
    uint8_t sender[SENDER]
    Numbers numbers
    uint8_t rest[ACCOUNT - SENDER - 28]


cdef double CAUTION = 1 + 3 * (1.04 / sqrt(REGISTERS))
cdef double ALPHA = 1 / (2 * log(2))
cdef double BURST_SECONDS = 1.0


def mark_keys(const uint8_t[::1] keys not None, uint64_t first, uint64_t second, uint8_t[::1] registers not None):
    """Leaves the marks of keys in a sketch.

    Args:
        keys: of 16 bytes each, one after the other.
        first: what a key's first half is multiplied by.
        second: what the other half is.
        registers: the sketch.

    Returns:
        Whether anything changed.

    Raises:
        ValueError: half a key, or another number of registers.
    """
    if keys.shape[0] % (2 * HALF) or registers.shape[0] != REGISTERS:
        raise ValueError("half a key, or another number of registers")
    return keys.shape[0] and mark_all(&keys[0], keys.shape[0], first, second, &registers[0])


cdef bint mark_all(const uint8_t *keys, Py_ssize_t size, uint64_t first, uint64_t second, uint8_t *registers) noexcept:
    cdef Py_ssize_t place
    cdef uint64_t halves[2]
    cdef uint64_t mixed, rest
    cdef uint8_t rank
    cdef bint changed = False
    for place in range(0, size, 2 * HALF):
        halves[0], halves[1] = load_little(&keys[place]), load_little(&keys[place + HALF])
        mixed = halves[0] * first + halves[1] * second
        rest, rank = mixed << INDEX_BITS, 1
        while rank <= 64 - INDEX_BITS and not rest >> 63:
            rest <<= 1
            rank += 1
        if registers[mixed >> (64 - INDEX_BITS)] < rank:
            registers[mixed >> (64 - INDEX_BITS)] = rank
            changed = True
    return changed


def weigh(const uint8_t[::1] registers not None):
    """Weighs a sketch's registers.

    Returns:
        How many are 0; and the sum, over the others, of a half to the power of each.
    """
    cdef double held = 0
    cdef uint32_t empty = weigh_all(&registers[0], registers.shape[0], &held)
    return empty, held


cdef uint32_t weigh_all(const uint8_t *registers, Py_ssize_t size, double *held) noexcept:
    cdef uint32_t counts[RANKS]
    cdef Py_ssize_t place
    cdef double weight = 0.5
    memset(counts, 0, sizeof(counts))
    for place in range(size):
        counts[registers[place]] += 1
    held[0] = 0
    for place in range(1, RANKS):
        held[0] += counts[place] * weight
        weight /= 2
    return counts[0]


def charge(int file, off_t offset, const uint8_t[::1] sender not None, uint32_t today, double queries, double rate,
           double most, double most_misses, double instant):
    """Does what ``slots.charge_by_python`` does; the sender is given as it stands in its slot, of 64 bytes.

    Raises:
        OSError: the file can't be read or written.
        ValueError: there is no account of the sender.
    """
    cdef Account account
    cdef Numbers numbers
    cdef double misses, addresses, owed, begun
    read_account(file, offset, sender, &account)
    numbers = account.numbers
    misses, addresses = (numbers.misses, numbers.addresses) if numbers.day == today else (0.0, 0.0)
    if floor(misses * CAUTION) > most_misses:
        return True, 0.0, misses, addresses
    owed = numbers.paid_until - instant
    if 0 < owed <= most / rate + BURST_SECONDS:
        return False, owed, misses, addresses
    begun = instant - BURST_SECONDS
    if begun < numbers.paid_until <= instant:
        begun = numbers.paid_until
    begun += queries / rate
    write_all(file, <const char *>&begun, sizeof(double), offset + SENDER)
    return False, 0.0, misses, addresses


def count(int file, off_t offset, const uint8_t[::1] sender not None, uint32_t today, bytes misses not None,
          bytes addresses not None, uint64_t first, uint64_t second):
    """Does what ``slots.count_by_python`` does; the sender is given as it stands in its slot, of 64 bytes.

    Raises:
        OSError: the file can't be read or written.
        ValueError: there is no account of the sender, or half a key.
    """
    cdef Account account
    cdef Numbers numbers
    cdef double used[2]
    cdef bint is_new_day, is_changed
    if (len(misses) | len(addresses)) % (2 * HALF):
        raise ValueError("half a key")
    read_account(file, offset, sender, &account)
    numbers = account.numbers
    is_new_day = numbers.day != today
    used[0], used[1] = (0.0, 0.0) if is_new_day else (numbers.misses, numbers.addresses)
    is_changed = count_keys(file, offset + ACCOUNT, misses, first, second, is_new_day, &used[0])
    is_changed |= count_keys(file, offset + ACCOUNT + REGISTERS, addresses, first, second, is_new_day, &used[1])
    if is_changed:
        numbers.day, numbers.misses, numbers.addresses = today, used[0], used[1]
        write_all(file, <const char *>&numbers, sizeof(Numbers), offset + SENDER)
    return used[0], used[1]


cdef bint count_keys(int file, off_t offset, bytes keys, uint64_t first, uint64_t second, bint is_new_day,
                     double *estimate) except -1:
    cdef uint8_t registers[REGISTERS]
    cdef const uint8_t *some = keys
    cdef double held = 0
    cdef uint32_t empty
    if not (is_new_day or keys):
        return False
    if is_new_day:
        memset(registers, 0, REGISTERS)
    else:
        read_all(file, <char *>registers, REGISTERS, offset)
    if not mark_all(some, len(keys), first, second, registers) and not is_new_day:
        return False
    write_all(file, <const char *>registers, REGISTERS, offset)
    empty = weigh_all(registers, REGISTERS, &held)
    if empty == REGISTERS:
        estimate[0] = 0.0
    else:
        estimate[0] = ALPHA * REGISTERS * REGISTERS / (held + REGISTERS * sigma(<double>empty / REGISTERS))
    return True


cdef double sigma(double share) noexcept:
    cdef double total = share, power = share, weight = 1.0, former = -1.0
    while total != former:
        power *= power
        former = total
        total += power * weight
        weight *= 2
    return total


cdef int read_account(int file, off_t offset, const uint8_t[::1] sender, Account *account) except -1:
    cdef Numbers numbers
    read_all(file, <char *>account, ACCOUNT, offset)
    if sender.shape[0] != SENDER or memcmp(account.sender, &sender[0], SENDER):
        raise ValueError("no account")
    numbers = account.numbers
    if not (0 <= numbers.paid_until < INFINITY and 0 <= numbers.misses < INFINITY and 0 <= numbers.addresses < INFINITY):
        raise ValueError("no account")
    return 0


cdef int read_all(int file, char *place, Py_ssize_t size, off_t offset) except -1:
    cdef Py_ssize_t found = pread(file, place, size, offset)
    while found < 0 and errno == EINTR:
        found = pread(file, place, size, offset)
    if found < 0:
        raise OSError(errno, strerror_of(errno))
    if found != size:
        raise ValueError("no account")
    return 0


cdef int write_all(int file, const char *place, Py_ssize_t size, off_t offset) except -1:
    cdef Py_ssize_t written
    while size:
        written = pwrite(file, place, size, offset)
        if written < 0 and errno == EINTR:
            continue
        if written <= 0:
            raise OSError(errno if written < 0 else ENOSPC, strerror_of(errno if written < 0 else ENOSPC))
        place += written
        size -= written
        offset += written
    return 0


cdef str strerror_of(int number):
    return strerror(number).decode()


cdef inline uint64_t load_little(const uint8_t *p) noexcept nogil:
    return (<uint64_t>p[0] | <uint64_t>p[1] << 8 | <uint64_t>p[2] << 16 | <uint64_t>p[3] << 24
            | <uint64_t>p[4] << 32 | <uint64_t>p[5] << 40 | <uint64_t>p[6] << 48 | <uint64_t>p[7] << 56)
