use std::ops::{Index, IndexMut};

/// What a worker knows of its descriptors, by their numbers.
///
/// Numbers are the process's, and so those of one worker are far apart: what is known lies dense,
/// and a number costs its four bytes only.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// Where what is known of a number is, if anything.
    places: Vec<u32>,
    entries: Vec<Entry<T>>,
    /// Places that may be used for others. What was there may still be asked for until then.
    free: Vec<u32>,
    generation: u32,
}

#[derive(Debug)]
struct Entry<T> {
    number: u32,
    is_free: bool,
    known: T,
}

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        // So much that the allocator takes it from the kernel, page by page as it is used; what is
        // less leaves gaps among other things when it grows.
        let entries = Vec::with_capacity(4096);
        Self { places: Vec::new(), entries, free: Vec::new(), generation: 0 }
    }

    /// Counts who has had a number, so that what comes late for one is not taken for the next's.
    pub(super) fn next_generation(&mut self) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        self.generation
    }

    /// Notes what is known of `number`, in the place of what was.
    pub(super) fn insert(&mut self, number: usize, known: T) {
        let entry = Entry { number: number as u32, is_free: false, known };
        // Taken back, if it was free.
        if let Some(place) = self.place(number).filter(|&place| !self.entries[place].is_free) {
            self.entries[place] = entry;
            return;
        }
        let place = match self.free.pop() {
            Some(place) => {
                self.entries[place as usize] = entry;
                place
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        if self.places.len() <= number {
            self.places.resize(number + 1, u32::MAX);
        }
        self.places[number] = place;
    }

    /// Says that nobody asks for `number` any more, once the next has been noted.
    pub(super) fn free(&mut self, number: usize) {
        if let Some(place) = self.place(number)
            && !self.entries[place].is_free
        {
            self.entries[place].is_free = true;
            self.free.push(place as u32);
        }
    }

    pub(super) fn get(&self, number: usize) -> Option<&T> {
        self.place(number).map(|place| &self.entries[place].known)
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.place(number).map(|place| &mut self.entries[place].known)
    }

    fn place(&self, number: usize) -> Option<usize> {
        let place = *self.places.get(number)? as usize;
        self.entries.get(place).filter(|entry| entry.number as usize == number).map(|_| place)
    }
}

impl<T> Index<usize> for Table<T> {
    type Output = T;

    fn index(&self, number: usize) -> &T {
        self.get(number).expect("the descriptor is known")
    }
}

impl<T> IndexMut<usize> for Table<T> {
    fn index_mut(&mut self, number: usize) -> &mut T {
        self.get_mut(number).expect("the descriptor is known")
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn what_is_known_stays_until_its_place_is_used_again() {
        let mut table = Table::new();
        for number in [5, 1000, 7] {
            table.insert(number, number);
        }
        assert_eq!((table.get(5), table.get(6), table.get(2000)), (Some(&5), None, None));
        table.free(5);
        table.free(5);
        assert_eq!(table.get(5), Some(&5));
        table.insert(9, 9);
        assert_eq!((table.get(5), table.get(9), table.entries.len()), (None, Some(&9), 3));
        table.insert(7, 70);
        assert_eq!((table[7], table.entries.len()), (70, 3));
        table.free(7);
        table.insert(7, 71);
        table.insert(5, 50);
        assert_eq!((table[7], table[5], table[9], table[1000]), (71, 50, 9, 1000));
        assert_eq!(table.entries.len(), 4);
    }
}
