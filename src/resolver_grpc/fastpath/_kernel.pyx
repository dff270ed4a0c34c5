# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The kernel of the fast way: rows of a request's bytes to keys, to slots, to rows of the response's bytes.

It knows bytes, and no rule of the domain: recipes, folds and the compiled policy come from Python as data and
functions. What it does not know it leaves to the plain way: a request that is framed in any unusual way, and a row
with a field that no recipe names, a field twice, an over-long one, a word that a fold refuses, several owners.

Whatever the bytes hold, nothing is read outside the request, a page or a column: every length is checked where it
is read. The memories of words are bounded and of a fixed shape: four places for each hash, the one that was not
asked for lately gives way.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy, memmove, memset

from resolver_grpc.errors import SnapshotError

include "_types.pxi"
include "_words.pxi"
include "_wire.pxi"
include "_layer.pxi"
include "_index.pxi"
include "_judging.pxi"
include "_writing.pxi"

cdef uint32_t tally[KINDS * KINDS * REASONS]  # by kind, route and reason: zeros, but while outcomes are counted

cdef class Batch:
    """One request under way: where its rows lie, and the slice of them that is worked on.

    Args:
        kernel: the recipes.
        request: a request in wire format.
        most: how many rows are taken at most.

    Attributes:
        usual: whether the request is framed as every library writes it; if not, the plain way reads it, and nothing
            else here means anything.
        sender_id: the sender, as it is written.
        shipment_id: the sender's name for the shipment, as it is written.
        personal_content: what the request says of its letters.
        at_least_sequence: the change that the request asks for; 0 for none.
        count: how many rows there are.
    """

    cdef readonly bint usual
    cdef readonly bytes sender_id
    cdef readonly bytes shipment_id
    cdef readonly bint personal_content
    cdef readonly int64_t at_least_sequence
    cdef readonly Py_ssize_t count
    cdef Kernel kernel
    cdef Judge judge
    cdef bytes request
    cdef uint32_t *starts  # of each row, then of its end
    cdef Row *rows
    cdef Row **fast
    cdef uint8_t *blocks
    cdef uint8_t *keys
    cdef uint64_t *sizes
    cdef uint32_t *reached  # of the slice's rows for everyone, one after the other
    cdef size_t reached_room
    cdef Py_ssize_t room
    cdef Py_ssize_t first
    cdef Py_ssize_t done
    cdef Py_ssize_t keyed  # how many of the slice's rows have a key
    cdef Py_ssize_t targets  # of the slice's rows that the kernel writes

    def __cinit__(self, Kernel kernel not None, bytes request, Py_ssize_t most):
        cdef const uint8_t *bytes_of_request = request
        cdef Py_ssize_t size = len(request)
        self.kernel, self.request, self.sender_id, self.shipment_id = kernel, request, b"", b""
        # A row takes two bytes at least: what is counted first is what is held.
        self.usual = size < 0x7FFFFFFF and self.count_rows(bytes_of_request, size, most)
        if self.usual:
            self.room = min(self.count, ROWS)
            self.starts = <uint32_t *>calloc(2 * self.count + 1, sizeof(uint32_t))
            self.rows = <Row *>calloc(self.room + 1, sizeof(Row))
            self.fast = <Row **>calloc(self.room + 1, sizeof(Row *))
            self.blocks = <uint8_t *>calloc(2 * (self.room + LANES), STRIDE)
            self.keys = <uint8_t *>calloc(2 * (self.room + LANES), KEY)
            self.sizes = <uint64_t *>calloc(2 * (self.room + LANES), sizeof(uint64_t))
            if not (self.starts and self.rows and self.fast and self.blocks and self.keys and self.sizes):
                raise MemoryError
            self.count_rows(bytes_of_request, size, most)

    def __dealloc__(self):
        free(self.starts)
        free(self.rows)
        free(self.fast)
        free(self.blocks)
        free(self.keys)
        free(self.sizes)
        free(self.reached)

    cdef bint count_rows(self, const uint8_t *request, Py_ssize_t whole, Py_ssize_t most):
        """Walks the request's own fields; notes where the rows lie, once there is room for that."""
        cdef const uint8_t *p = request
        cdef const uint8_t *end = request + whole
        cdef int64_t size
        cdef uint8_t tag
        cdef uint32_t seen = 0
        self.count = 0
        while p < end:
            tag = p[0]
            p += 1
            if tag == (3 << 3):
                if p >= end or p[0] > 1 or seen & 1 << 3:
                    return False
                self.personal_content = p[0]
                size = 1
            elif tag == (5 << 3):
                self.at_least_sequence = read_size(&p, end, 4)
                if self.at_least_sequence < 0 or seen & 1 << 5:
                    return False
                size = 0
            elif tag == (1 << 3 | LENGTH) or tag == (2 << 3 | LENGTH) or tag == (4 << 3 | LENGTH):
                size = read_size(&p, end, 4)
                if size < 0 or size > end - p:
                    return False
            else:
                return False
            tag >>= 3
            if tag == 4:
                if size > MAX_ROW or self.count >= most:
                    return False
                if self.starts:
                    self.starts[2 * self.count] = p - request
                    self.starts[2 * self.count + 1] = p - request + size
                self.count += 1
            elif seen & 1 << tag or (tag != 3 and not is_ascii(p, size)):
                return False
            elif tag == 1:
                self.sender_id = p[:size]
            elif tag == 2:
                self.shipment_id = p[:size]
            if tag != 4:
                seen |= 1 << tag
            p += size
        return True

    def row(self, Py_ssize_t number):
        """The bytes of a row."""
        if not self.usual or not 0 <= number < self.count:
            raise IndexError("no such row")
        return self.request[self.starts[2 * number] : self.starts[2 * number + 1]]

    def run(self, PageSet pages not None, Judge judge not None, Py_ssize_t first):
        """Resolves a slice of the rows.

        Args:
            pages: the index.
            judge: decides; of the same index.
            first: where the slice begins.

        Returns:
            How many rows the slice has; which of them, counted from the request's first, the plain way is to
            resolve; and the numbers of posting lists that ``PageSet.hold`` should know. At most ``ROWS`` rows, and
            fewer where many words had to be asked for.

        Raises:
            SnapshotError: a slot of the index leads nowhere.
        """
        cdef int fast
        cdef bint sound
        if not self.usual or not 0 <= first <= self.count:
            raise IndexError("no such rows")
        if judge.below != pages.owners:
            raise ValueError("the judge is of another index")
        cdef Layer layer = judge.layer
        cdef bint is_layered = layer is not None
        self.first, self.judge = first, None
        self.done = self.targets = self.keyed = 0
        fast = self.make_keys(min(self.count - first, ROWS), pages)
        self.judge, self.keyed = judge, fast
        with nogil:
            probe(pages, self.fast, self.keys, fast)
            if is_layered:
                lay_over(layer, self.fast, self.keys, fast)
            sound = settle(pages, layer, self.fast, self.keys, fast)
            if sound:
                decide(judge, self.fast, fast)
        wanted = self.reach_everyone(pages, judge, fast) if sound else None
        if wanted is None:
            self.done = self.keyed = 0
            raise SnapshotError("A slot of the index leads nowhere; publish the snapshot again.")
        return self.done, self.take_stock(), wanted

    cdef list take_stock(self):
        """Counts the targets of the slice that was decided; gives the rows of it that the plain way is to resolve."""
        cdef list left = []
        cdef Py_ssize_t number
        for number in range(self.done):
            if self.rows[number].state == PLAIN:
                left.append(self.first + number)
            else:
                self.targets += targets_of(self.judge, &self.rows[number])
        return left

    cdef list reach_everyone(self, PageSet pages, Judge judge, int fast):
        """Decides the rows for everyone; gives the posting lists that are not known yet, None if one leads nowhere."""
        cdef list wanted = []
        cdef size_t taken = 0
        cdef uint32_t *larger
        cdef uint32_t posting
        cdef Row *row
        cdef int number
        for number in range(fast):
            row = self.fast[number]
            if not row.recipe.everyone or row.state == PLAIN:
                continue
            posting = row.ordinal ^ <uint32_t>0x80000000
            if row.found and row.ordinal >> 31 and not row.layered and not pages.lists[posting].bytes:
                wanted.append(posting)
                row.state = PLAIN
                continue
            if self.reached_room < taken + MOST_ORDINALS:
                larger = <uint32_t *>realloc(self.reached, 2 * (taken + MOST_ORDINALS) * sizeof(uint32_t))
                if not larger:
                    raise MemoryError
                self.reached, self.reached_room = larger, 2 * (taken + MOST_ORDINALS)
            row.first_reached = taken
            if not decide_everyone(pages, judge, row, self.reached + taken):
                return None
            if targets_of(judge, row):
                sort_by_number(judge, self.reached + taken, row.reached)
            taken += row.reached
        return wanted

    cdef int make_keys(self, Py_ssize_t count, PageSet pages) except -1:
        """Makes the keys of rows, and tells how many of them have one."""
        cdef Kernel kernel = self.kernel
        cdef const uint8_t *request = self.request
        cdef Py_ssize_t number, until
        cdef Row *row
        cdef int fast = 0, streets = 0, unseen = 0, missing
        cdef uint8_t *street_blocks = self.blocks + (self.room + LANES) * STRIDE
        cdef uint8_t *street_keys = self.keys + (self.room + LANES) * KEY
        cdef uint64_t *street_sizes = self.sizes + self.room + LANES
        cdef uint64_t street_size
        cdef uint32_t *start
        while self.done < count and unseen < UNSEEN:
            until = min(self.done + GROUP, count)
            with nogil:
                for number in range(self.done, until):
                    row = &self.rows[number]
                    start = &self.starts[2 * (self.first + number)]
                    row.state = FAST if walk_row(kernel, row, request + start[0], request + start[1]) else PLAIN
            for number in range(self.done, until):
                row = &self.rows[number]
                if row.state == PLAIN:
                    continue
                while True:
                    with nogil:
                        street_size = 0
                        missing = assemble(
                            kernel, row, self.blocks + fast * STRIDE, &self.sizes[fast],
                            street_blocks + fast * STRIDE, &street_size
                        )
                    if missing < 0:
                        break
                    unseen += 1
                    kernel.learn(&row.words[missing], row.recipe.steps[missing].fold)
                    kernel.discount(row, missing)
                if missing == -2:
                    row.state = PLAIN
                    continue
                self.fast[fast] = row
                street_sizes[fast] = street_size
                streets |= street_size > 0
                fast += 1
            self.done = until
        with nogil:
            self.hash_blocks(self.blocks, self.sizes, self.keys, fast)
            if streets:
                self.hash_blocks(street_blocks, street_sizes, street_keys, fast)
        if streets:
            fast = self.leave_shared_streets(pages, street_keys, street_sizes, fast)
        return fast

    cdef void hash_blocks(self, const uint8_t *blocks, const uint64_t *sizes, uint8_t *keys, int count) noexcept nogil:
        cdef int number = 0
        while number < count:
            if self.kernel.wide:
                blake2b_end_four_wide(
                    &self.kernel.begun, blocks + number * STRIDE, STRIDE, sizes + number, keys + number * KEY)
            else:
                blake2b_end_four(
                    &self.kernel.begun, blocks + number * STRIDE, STRIDE, sizes + number, keys + number * KEY)
            number += LANES

    cdef int leave_shared_streets(
        self, PageSet pages, const uint8_t *street_keys, const uint64_t *street_sizes, int fast
    ) noexcept:
        """Leaves rows on a street that several roads share to the plain way; the others move up."""
        cdef int number, kept = 0
        for number in range(fast):
            if street_sizes[number] and is_shared(pages.streets, pages.streets_mask, street_keys + number * KEY):
                self.fast[number].state = PLAIN
                continue
            if kept != number:
                self.fast[kept] = self.fast[number]
                memcpy(self.keys + kept * KEY, self.keys + number * KEY, KEY)
            kept += 1
        return kept

    def handle_blocks(self):
        """Lays out what is to be enciphered to the handles of the slice that ``run`` resolved last.

        Returns:
            A block of 16 bytes for each target of the rows that are not left to the plain way, in their order.

        Raises:
            ValueError: nothing was decided yet.
        """
        if self.judge is None:
            raise ValueError("nothing was decided yet")
        cdef Judge judge = self.judge
        cdef bytearray laid = bytearray(HANDLE * self.targets)
        cdef uint8_t *to = laid
        cdef uint32_t *reached
        cdef uint32_t target
        cdef Py_ssize_t number
        cdef Row *row
        for number in range(self.done):
            row = &self.rows[number]
            for target in range(targets_of(judge, row)):
                reached = self.reached + row.first_reached + target if row.recipe.everyone else &row.ordinal
                lay_block(to, row.recipe.kind, number_of(judge, reached[0]))
                to += HANDLE
        return bytes(laid)

    def write(self, Judge judge not None, dict plain, bytes handles not None):
        """Writes the decisions of the slice that ``run`` resolved last, as fields of the response.

        Args:
            judge: the one that decided.
            plain: the bytes of the decisions that the plain way made, by row.
            handles: what became of ``handle_blocks``.

        Raises:
            ValueError: another judge decided, nothing was decided yet, or not every target has a handle.
        """
        if judge is not self.judge:
            raise ValueError("another judge decided these rows")
        if len(handles) != HANDLE * self.targets:
            raise ValueError("not one handle for each target")
        cdef Py_ssize_t number, at = 0, size = 0
        cdef Row *row
        cdef bytearray written
        cdef uint8_t *to
        cdef const uint8_t *handle = handles
        cdef list others = [plain[self.first + number] for number in range(self.done) if self.rows[number].state == PLAIN]
        for number in range(self.done):
            row = &self.rows[number]
            size += MAX_REFERENCE + TARGET * (row.reached + 1) + 16 if row.state == FAST else 0
        size += sum([len(other) + 8 for other in others])
        written = bytearray(size)
        to = written
        others.reverse()
        for number in range(self.done):
            row = &self.rows[number]
            if row.state == PLAIN:
                at += write_other(to + at, others.pop())
            else:
                at += write_row(to + at, row, judge, self.reached + row.first_reached, handle)
                handle += HANDLE * targets_of(judge, row)
        return bytes(memoryview(written)[:at])

    def counts(self):
        """Counts what ``write`` tells of the slice's rows that the kernel decided.

        Returns:
            How many of each kind got each route and reason, and how many targets they have in all.
        """
        cdef uint16_t met[ROWS]
        cdef uint32_t often[ROWS]
        cdef Py_ssize_t number, code, outcomes = 0
        cdef Row *row
        cdef dict counts = {}
        for number in range(self.done):
            row = &self.rows[number]
            if row.state == FAST:
                code = (row.recipe.kind * KINDS + row.route) * REASONS + row.reason
                if not tally[code]:
                    met[outcomes] = code
                    outcomes += 1
                tally[code] += 1
        # Zero again before anything of Python's runs, which might let another thread count.
        for number in range(outcomes):
            often[number] = tally[met[number]]
            tally[met[number]] = 0
        for number in range(outcomes):
            code = met[number]
            counts[code // REASONS // KINDS, code // REASONS % KINDS, code % REASONS] = often[number]
        return counts, self.targets

    def counted(self, const uint8_t[::1] missed not None):
        """Gathers the keys of the slice's rows that the kernel decided and that budgets count.

        Args:
            missed: by reason, whether it is that of a miss.

        Returns:
            The keys of the misses, and those of the rows for everyone, one after the other.

        Raises:
            ValueError: nothing was decided yet, or a reason is not told of.
        """
        if self.judge is None or missed.shape[0] != REASONS:
            raise ValueError("nothing was decided yet, or a reason is not told of")
        cdef bytes misses = PyBytes_FromStringAndSize(NULL, self.keyed * KEY)
        cdef bytes for_everyone = PyBytes_FromStringAndSize(NULL, self.keyed * KEY)
        cdef uint8_t *miss = misses
        cdef uint8_t *everyone = for_everyone
        cdef Py_ssize_t number, miss_size = 0, everyone_size = 0
        cdef Row *row
        for number in range(self.keyed):
            row = self.fast[number]
            if row.state != FAST:
                continue
            if missed[row.reason]:
                memcpy(miss + miss_size, self.keys + number * KEY, KEY)
                miss_size += KEY
            if row.recipe.everyone:
                memcpy(everyone + everyone_size, self.keys + number * KEY, KEY)
                everyone_size += KEY
        return misses[:miss_size], for_everyone[:everyone_size]
