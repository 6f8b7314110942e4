//! `key=value` fields of a line, in any order, without an allocation.

/// The fields of a line behind its first word.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyValues<'a> {
    rest: &'a [u8],
}

impl<'a> KeyValues<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }
}

/// Cuts off the first word; the rest begins behind the space.
#[inline]
pub(super) fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == b' ') {
        Some(space) => (
            text.get(..space).unwrap_or_default(),
            text.get(space + 1..).unwrap_or_default(),
        ),
        None => (text, &[]),
    }
}

impl<'a> Iterator for KeyValues<'a> {
    /// A key and its value; a word without `=` is an error and comes as it is.
    type Item = Result<(&'a [u8], &'a [u8]), &'a [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut equals = None;
        let mut end = self.rest.len();
        for (place, byte) in self.rest.iter().enumerate() {
            match byte {
                b'=' if equals.is_none() => equals = Some(place),
                b' ' => {
                    end = place;
                    break;
                }
                _ => {}
            }
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Some(match equals.and_then(|place| word.split_at_checked(place)) {
            Some((key, value)) => Ok((key, value.get(1..).unwrap_or_default())),
            None => Err(word),
        })
    }
}

/// A decimal number of at most 20 digits, nothing else.
#[inline]
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut sum: u64 = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum = sum.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(sum)
}

/// A decimal number of at most 19 digits, which cannot overflow, and what stands behind it.
#[inline]
pub(super) fn leading_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut sum: u64 = 0;
    let mut digits = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        sum = sum.wrapping_mul(10).wrapping_add(u64::from(digit));
        digits += 1;
    }
    if !(1..=19).contains(&digits) {
        return None;
    }
    text.get(digits..).map(|rest| (sum, rest))
}

/// Decimal numbers separated by commas; an empty text is an empty list.
pub(super) fn numbers(text: &[u8]) -> impl Iterator<Item = Option<u64>> + '_ {
    text.split(|byte| *byte == b',')
        .filter(move |_| !text.is_empty())
        .map(number)
}
