# From keys to slots: the pages, the posting lists and the shared streets of an index that is open.

cdef class PageSet:
    """The pages of an index, its shared streets, and how far ordinals and posting lists go.

    Args:
        pages: the page of each bucket; they are kept, and so stay where they are.
        owners: ordinals lie below.
        postings: numbers of posting lists lie below.
        checked: for each page whether it was checked; noted here, too, for the others as they are asked for.
        streets: the keys of the streets that several roads share.

    Raises:
        ValueError: a page has a length that no number of keys has.
    """

    cdef Page *pages
    cdef Posting *lists
    cdef uint8_t[::1] checked
    cdef uint64_t buckets
    cdef uint32_t owners
    cdef uint32_t postings
    cdef uint8_t *streets
    cdef uint64_t streets_mask
    cdef list kept

    def __cinit__(self, list pages, uint32_t owners, uint32_t postings, uint8_t[::1] checked, list streets):
        cdef const uint8_t[::1] page
        cdef uint64_t places = 16, number
        self.kept = list(pages)
        self.buckets = len(pages)
        self.owners, self.postings = owners, postings
        self.checked = checked
        self.pages = <Page *>resolver_table(max(1, len(pages)), sizeof(Page))
        self.lists = <Posting *>calloc(max(1, postings), sizeof(Posting))
        while places < 4 * <uint64_t>len(streets):
            places *= 2
        self.streets_mask = places - 1
        self.streets = <uint8_t *>calloc(places, KEY + 1)
        if not self.pages or not self.lists or not self.streets:
            raise MemoryError
        if not pages or len(pages) != checked.shape[0]:
            raise ValueError("no pages, or not as many as may have been checked")
        for number, view in enumerate(pages):
            page = view
            if page.shape[0] % (KEY + SLOT):
                raise ValueError("a page of a broken length")
            self.pages[number].bytes = &page[0] if page.shape[0] else NULL
            self.pages[number].keys = page.shape[0] // (KEY + SLOT)
        for key in streets:
            self.add_street(key)

    def __dealloc__(self):
        free(self.pages)
        free(self.lists)
        free(self.streets)

    def check(self, uint64_t first, uint64_t until):
        """Brings some pages into memory and checks those that nobody checked yet, while others may work.

        Args:
            first: the bucket of the first of them.
            until: the bucket after the last.

        Returns:
            False where one of them could give a wrong answer; those behind it are not looked at.
        """
        cdef uint64_t bucket
        cdef bint sound = True
        if not first <= until <= self.buckets:
            raise IndexError("no such pages")
        with nogil:
            for bucket in range(first, until):
                if not may_answer(self, bucket):
                    sound = False
                    break
        return sound

    def hold(self, uint32_t number, const uint8_t[::1] posting):
        """Notes where a posting list lies, which was checked; one that is no list of plain ordinals is not noted."""
        size = posting.shape[0] - 1
        if number >= self.postings:
            raise ValueError("no such posting list")
        if size > 0 and posting[0] == RAW and size % SLOT == 0 and size <= MOST_ORDINALS * SLOT:
            self.lists[number].bytes = &posting[1]
            self.lists[number].ordinals = size // SLOT

    cdef int add_street(self, bytes key) except -1:
        cdef const uint8_t *given = key
        cdef uint8_t *place
        cdef uint64_t at
        if len(key) != KEY:
            raise ValueError("a street's key of a broken length")
        at = load_big(given)
        while True:
            place = self.streets + (at & self.streets_mask) * (KEY + 1)
            if not place[KEY]:
                memcpy(place, given, KEY)
                place[KEY] = 1
                return 0
            at += 1


cdef inline bint is_shared(const uint8_t *streets, uint64_t mask, const uint8_t *key) noexcept nogil:
    cdef uint64_t at = load_big(key)
    cdef const uint8_t *place
    while True:
        place = streets + (at & mask) * (KEY + 1)
        if not place[KEY]:
            return False
        if not memcmp(place, key, KEY):
            return True
        at += 1


cdef inline bint may_answer(PageSet pages, uint64_t bucket) noexcept nogil:
    """Tells whether a page may be answered from; one that nobody checked yet is checked."""
    if not pages.checked[bucket]:
        pages.checked[bucket] = is_sound(pages, bucket)
    return pages.checked[bucket]


cdef bint is_sound(PageSet pages, uint64_t bucket) noexcept nogil:
    """Looks for what could give a wrong answer, as ``index.pages.check_pages`` does."""
    cdef const Page *page = &pages.pages[bucket]
    cdef const uint8_t *key = page.bytes
    cdef const uint8_t *slots = page.bytes + <uint64_t>page.keys * KEY
    cdef uint32_t number, slot
    for number in range(page.keys):
        if number and memcmp(key - KEY, key, KEY) >= 0:
            return False
        slot = load_slot(slots + <uint64_t>number * SLOT)
        if slot >= pages.owners and slot ^ <uint32_t>0x80000000 >= pages.postings:
            return False
        key += KEY
    # Keys in order have their buckets in order: the first and the last speak for those between.
    return not page.keys or (
        bucket_of(pages, page.bytes) == bucket and bucket_of(pages, key - KEY) == bucket)


cdef inline uint64_t bucket_of(PageSet pages, const uint8_t *key) noexcept nogil:
    return (load_big(key) >> 32) * pages.buckets >> 32


cdef void probe(PageSet pages, Row **rows, const uint8_t *keys, int count) noexcept nogil:
    """Finds the slots of keys: it asks for all pages first, then for all lines, then looks."""
    cdef Row *row
    cdef uint64_t guess
    cdef int number
    for number in range(count):
        row = rows[number]
        row.lead = (load_big(keys + number * KEY) >> 32) * pages.buckets
        row.page = &pages.pages[row.lead >> 32]
        RESOLVER_PREFETCH(row.page)
        if not may_answer(pages, row.lead >> 32):
            # The plain way says what is wrong.
            row.state = PLAIN
    for number in range(count):
        row = rows[number]
        guess = <uint64_t><uint32_t>row.lead * row.page.keys >> 32
        RESOLVER_PREFETCH(row.page.bytes + guess * KEY)
        RESOLVER_PREFETCH(row.page.bytes + <uint64_t>row.page.keys * KEY + guess * SLOT)
    for number in range(count):
        row = rows[number]
        row.found = find(row, keys + number * KEY)
        row.layered = False


cdef inline bint find(Row *row, const uint8_t *key) noexcept nogil:
    """Looks for a key from where it would stand if the page's keys lay evenly."""
    cdef const uint8_t *keys = row.page.bytes
    cdef int64_t count = row.page.keys
    cdef int64_t at = <int64_t>(<uint64_t><uint32_t>row.lead * row.page.keys >> 32)
    cdef uint64_t high = load_big(key)
    while at > 0 and load_big(keys + (at - 1) * KEY) >= high:
        at -= 1
    while at < count and load_big(keys + at * KEY) < high:
        at += 1
    while at < count and load_big(keys + at * KEY) == high:
        if not memcmp(keys + at * KEY, key, KEY):
            row.ordinal = load_slot(keys + count * KEY + at * SLOT)
            return True
        at += 1
    if count:
        # A miss reads a slot, too; whom it looks at is said later.
        row.ordinal = load_slot(keys + count * KEY + min(at, count - 1) * SLOT)
    return False


cdef bint settle(PageSet pages, Layer layer, Row **rows, const uint8_t *keys, int count) noexcept nogil:
    """Leaves rows with several owners to the plain way, and gives a miss an ordinal to look at all the same.

    Args:
        pages: the index's.
        layer: what lies over it; of use where a row was found there.
        rows: those with a key.
        keys: theirs.
        count: how many there are.

    Returns:
        False where a slot leads nowhere.
    """
    cdef Row *row
    cdef int number
    for number in range(count):
        row = rows[number]
        if not row.found:
            row.ordinal = (load_big(keys + number * KEY) >> 32) * pages.owners >> 32
        elif row.layered:
            if not settle_layered(layer, row):
                return False
        elif row.ordinal & <uint32_t>0x80000000:
            if row.ordinal ^ <uint32_t>0x80000000 >= pages.postings:
                return False
            if not row.recipe.everyone:
                row.state = PLAIN
                row.ordinal = 0
        elif row.ordinal >= pages.owners:
            return False
    return True
