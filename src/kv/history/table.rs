//! Dense tables by number, and lists of many in one.

/// One value for each number below its length.
#[derive(Clone, Debug)]
pub(super) struct Table<T>(Vec<T>);

/// For each number a list: all of them in one piece of memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists<T> {
    /// Where each list begins, and at last where the last one ends.
    starts: Vec<u32>,
    values: Vec<T>,
}

/// Lengths here are below [`OPERATIONS_MAX`](super::OPERATIONS_MAX) times a few.
pub(super) fn small(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy> Table<T> {
    pub(super) fn new(value: T, length: usize) -> Self {
        Self(vec![value; length])
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All numbers.
    pub(super) fn ids(&self) -> std::ops::Range<u32> {
        0..small(self.0.len())
    }

    pub(super) fn push(&mut self, value: T) {
        self.0.push(value);
    }

    /// The value of a number, which has to be below the length.
    #[inline]
    pub(super) fn get(&self, id: u32) -> T {
        match self.0.get(id as usize) {
            Some(value) => *value,
            None => panic!("{id} is none of {} entries", self.0.len()),
        }
    }

    /// The same, to change it.
    #[inline]
    pub(super) fn at(&mut self, id: u32) -> &mut T {
        let length = self.0.len();
        match self.0.get_mut(id as usize) {
            Some(value) => value,
            None => panic!("{id} is none of {length} entries"),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, T)> + '_ {
        (0..).zip(self.0.iter().copied())
    }
}

impl<T: Copy> Lists<T> {
    /// `count` lists of what `pairs` gives, each in the order given.
    pub(super) fn new(count: usize, pairs: impl Iterator<Item = (u32, T)> + Clone, fill: T) -> Self {
        let mut ends = vec![0_u32; count + 1];
        for (list, _) in pairs.clone() {
            if let Some(end) = ends.get_mut(list as usize + 1) {
                *end += 1;
            }
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        let starts = ends.clone();
        let mut values = Table::new(fill, sum as usize);
        let mut next = Table(ends);
        for (list, value) in pairs {
            let place = next.at(list);
            *values.at(*place) = value;
            *place += 1;
        }
        Self {
            starts,
            values: values.0,
        }
    }

    /// The list of a number.
    #[inline]
    pub(super) fn get(&self, list: u32) -> &[T] {
        let list = list as usize;
        match (self.starts.get(list), self.starts.get(list + 1)) {
            (Some(start), Some(end)) => self
                .values
                .get(*start as usize..*end as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }
}
