//! The difference of two huge sets in a few kilobytes: an invertible Bloom lookup table (Goodrich
//! and Mitzenmacher, 2011; Eppstein and others, "What's the difference?", 2011).
//!
//! A key that is put in once and taken out once leaves no trace, in any order. The keys that are
//! left can be listed, if they are not too many. The sum of two tables is the table of both sets.
//! So each partition of a listing has its own table until it has ended.
//!
//! A decoded key is only a reason for a hint: about once in a billion decodings, a key that was
//! never put in appears by chance, and then it belongs to no person.

/// Cells. With four for each key, up to 0.77 of their number can be decoded: some 790 keys.
pub const CELLS: usize = 1_024;

/// Cells of each key, one in each quarter, so that they never coincide.
const CHOICES: usize = 4;

const QUARTER: usize = CELLS / CHOICES;

/// Words of a cell: four for the person, the tag, the check.
const WORDS: usize = 6;

/// Bytes of a stored cell: the count and the sums.
const CELL_BYTES: usize = 4 + WORDS * 8;

/// Bytes of a whole stored table. Two tables stay well below the 400 KB of an item in `DynamoDB`.
pub const BYTES: usize = CELLS * CELL_BYTES;

/// A key of the table: a person, and what about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonKey {
    /// The person's id, as a number.
    pub person: u128,
    /// What about them: zero for an account, or one group of one pool.
    pub tag: u32,
}

/// The sums over everything that was put in, minus what was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
struct Cell {
    count: i32,
    sums: [i64; WORDS],
}

/// The table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Difference {
    cells: Vec<Cell>,
}

/// The keys that are left.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Unmatched {
    /// Each key in order, with the number of times that it was put in minus the number of times
    /// that it was taken out.
    pub keys: Vec<(PersonKey, i32)>,
    /// Whether these are all keys. If not, too many are left, and the rest cannot be decoded.
    pub complete: bool,
}

impl Default for Difference {
    fn default() -> Self {
        Self { cells: vec![Cell::default(); CELLS] }
    }
}

impl PersonKey {
    fn words(self) -> [i64; WORDS] {
        let Self { person, tag } = self;
        let word = |shift: u32| i64::from(low(person >> shift));
        let check = i64::from(low(u128::from(mixed(self, u64::MAX))));
        [word(0), word(32), word(64), word(96), i64::from(tag), check]
    }

    fn of_words(words: [i64; WORDS]) -> Option<Self> {
        let mut person = 0;
        for (place, word) in words[..4].iter().enumerate() {
            let word = u32::try_from(*word).ok()?;
            person |= u128::from(word) << (32 * place);
        }
        let key = Self { person, tag: u32::try_from(words[4]).ok()? };
        (key.words() == words).then_some(key)
    }

    fn places(self) -> [usize; CHOICES] {
        std::array::from_fn(|choice| {
            let chosen = mixed(self, choice as u64) % (QUARTER as u64);
            choice * QUARTER + usize::try_from(chosen).unwrap_or(0)
        })
    }

    /// The bucket of a person: a number below `modulus`, evenly spread and always the same. If a
    /// pass cannot decode all keys, the next passes compare one bucket of people at a time.
    pub fn bucket(person: u128, modulus: u32) -> u32 {
        let spread = mixed(Self { person, tag: 0 }, 0x0c1a_55e5);
        u32::try_from(spread % u64::from(modulus.max(1))).unwrap_or(0)
    }
}

impl Difference {
    /// Puts a key in.
    pub fn put(&mut self, key: PersonKey) {
        self.change(key, 1);
    }

    /// Takes a key out. It may be put in later.
    pub fn take(&mut self, key: PersonKey) {
        self.change(key, -1);
    }

    fn change(&mut self, key: PersonKey, by: i32) {
        let words = key.words();
        for place in key.places() {
            let cell = &mut self.cells[place];
            cell.count = cell.count.wrapping_add(by);
            for (sum, word) in cell.sums.iter_mut().zip(words) {
                *sum = sum.wrapping_add(word.wrapping_mul(i64::from(by)));
            }
        }
    }

    /// Adds another table to this one.
    pub fn add(&mut self, other: &Self) {
        for (cell, other) in self.cells.iter_mut().zip(&other.cells) {
            cell.count = cell.count.wrapping_add(other.count);
            for (sum, word) in cell.sums.iter_mut().zip(other.sums) {
                *sum = sum.wrapping_add(word);
            }
        }
    }

    /// Whether no keys are left.
    pub fn is_empty(&self) -> bool {
        self.cells.iter().all(|cell| *cell == Cell::default())
    }

    /// The keys that are left. Takes out each key that is alone in a cell, which leaves other keys
    /// alone in theirs, until none is alone.
    pub fn unmatched(&self) -> Unmatched {
        let mut rest = self.clone();
        let mut found = std::collections::BTreeMap::<PersonKey, i32>::new();
        let mut waiting: Vec<usize> = (0..CELLS).collect();
        // Each key is taken out once. The limit ends a loop over contradictory sums.
        let mut left = 2 * CELLS;
        while let Some(place) = waiting.pop() {
            let Some((key, count)) = rest.cells[place].alone(place) else { continue };
            if left == 0 {
                break;
            }
            left -= 1;
            rest.change(key, count.wrapping_neg());
            *found.entry(key).or_default() += count;
            waiting.extend(key.places());
        }
        found.retain(|_, count| *count != 0);
        Unmatched { keys: found.into_iter().collect(), complete: rest.is_empty() }
    }

    /// The table as bytes, always [`BYTES`] long.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        for cell in &self.cells {
            bytes.extend(cell.count.to_be_bytes());
            for sum in cell.sums {
                bytes.extend(sum.to_be_bytes());
            }
        }
        bytes
    }

    /// The table from those bytes; `None` if they have another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != BYTES {
            return None;
        }
        let cell = |bytes: &[u8]| {
            let (count, sums) = bytes.split_first_chunk::<4>()?;
            let mut cell = Cell { count: i32::from_be_bytes(*count), ..Cell::default() };
            for (sum, bytes) in cell.sums.iter_mut().zip(sums.chunks_exact(8)) {
                *sum = i64::from_be_bytes(bytes.try_into().ok()?);
            }
            Some(cell)
        };
        let cells = bytes.chunks_exact(CELL_BYTES).map(cell).collect::<Option<_>>()?;
        Some(Self { cells })
    }
}

impl Cell {
    /// The only key in this cell, and how many times, if there is just one. A listing that shows an
    /// account twice puts it in twice, which can be decoded as well.
    fn alone(&self, place: usize) -> Option<(PersonKey, i32)> {
        if self.count == 0 {
            return None;
        }
        let count = i64::from(self.count);
        let mut words = [0; WORDS];
        for (word, sum) in words.iter_mut().zip(self.sums) {
            if sum.checked_rem(count)? != 0 {
                return None;
            }
            *word = sum.checked_div(count)?;
        }
        let key = PersonKey::of_words(words)?;
        key.places().contains(&place).then_some((key, self.count))
    }
}

/// The lowest 32 bits.
fn low(number: u128) -> u32 {
    u32::try_from(number & u128::from(u32::MAX)).unwrap_or(0)
}

/// A well mixed number (the finaliser of `splitmix64`, Steele and others, 2014). poolbridge makes
/// the ids and the team makes the group names, so no attacker gains from a collision.
fn mixed(key: PersonKey, seed: u64) -> u64 {
    let halves = [key.person >> 64, key.person & u128::from(u64::MAX)];
    let words = halves.map(|half| u64::try_from(half).unwrap_or(0));
    let mut state = seed;
    for word in [words[0], words[1], u64::from(key.tag)] {
        state = state.wrapping_add(word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> PersonKey {
        let person = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        PersonKey { person, tag: u32::try_from(number % 3).unwrap() }
    }

    #[test]
    fn keys_that_are_put_in_and_taken_out_leave_no_trace() {
        let mut table = Difference::default();
        (0..10_000).for_each(|n| table.put(key(n)));
        (0..10_000).rev().for_each(|n| table.take(key(n)));
        assert!(table.is_empty());
        assert_eq!(table.unmatched(), Unmatched { keys: Vec::new(), complete: true });
    }

    #[test]
    fn keys_that_are_left_are_listed() {
        let (mut one, mut other) = (Difference::default(), Difference::default());
        (0..50_000).for_each(|n| one.put(key(n)));
        (400..50_200).for_each(|n| other.take(key(n)));
        one.add(&other);
        let unmatched = Difference::from_bytes(&one.to_bytes()).unwrap().unmatched();
        assert!(unmatched.complete);
        let mut expected: Vec<(PersonKey, i32)> = (0..400).map(|n| (key(n), 1)).collect();
        expected.extend((50_000..50_200).map(|n| (key(n), -1)));
        expected.sort_unstable();
        assert_eq!(unmatched.keys, expected);
    }

    #[test]
    fn a_key_that_is_put_in_several_times_is_counted() {
        let mut table = Difference::default();
        (0..3).for_each(|_| table.put(key(7)));
        table.take(key(8));
        table.take(key(8));
        let mut expected = vec![(key(7), 3), (key(8), -2)];
        expected.sort_unstable();
        assert_eq!(table.unmatched(), Unmatched { keys: expected, complete: true });
    }

    #[test]
    fn a_table_with_too_many_keys_is_incomplete() {
        let mut table = Difference::default();
        (0..2_000).for_each(|n| table.put(key(n)));
        assert!(!table.unmatched().complete);
        assert_eq!(Difference::from_bytes(&table.to_bytes()[1..]), None);
    }

    /// The key's cells contradict each other: what is taken out of one appears in another.
    #[test]
    fn a_damaged_table_is_incomplete_and_decoding_ends() {
        let mut table = Difference::default();
        table.put(key(7));
        let mut bytes = table.to_bytes();
        let cell = key(7).places()[1] * CELL_BYTES;
        bytes[cell..cell + CELL_BYTES].fill(0);
        assert!(!Difference::from_bytes(&bytes).unwrap().unmatched().complete);
    }

    #[test]
    fn buckets_of_people_are_even_and_cover_every_person() {
        let mut counts = [0_u32; 8];
        for n in 0..8_000 {
            counts[PersonKey::bucket(key(n).person, 8) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert_eq!(PersonKey::bucket(key(1).person, 1), 0);
    }
}
