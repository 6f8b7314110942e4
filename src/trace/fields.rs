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
///
/// Up to seven digits are read in one step: numbers of changing length make a loop's last branch a coin toss.
#[inline]
pub(super) fn leading_number(text: &[u8]) -> Option<(u64, &[u8])> {
    if let Some((sum, digits)) = text.first_chunk().map(|chunk| short_number(*chunk))
        && (1..8).contains(&digits)
    {
        return text.get(digits..).map(|rest| (sum, rest));
    }
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

/// The digits that eight bytes begin with, as a number, and how many they are. Eight lanes of one word, each
/// a byte:
///
/// ```text
///   "17 sent=" → lanes 1 7 x x x x x x → shifted 0 0 0 0 0 0 1 7 → pairs 0 0 0 17 → quads 0 17 → 17
/// ```
#[inline]
fn short_number(text: [u8; 8]) -> (u64, usize) {
    let lanes = u64::from_le_bytes(text) ^ 0x3030_3030_3030_3030;
    // A lane over 9 carries into its highest bit, or has it already; lanes behind a carry do not count.
    let others = (lanes.wrapping_add(0x7676_7676_7676_7676) | lanes) & 0x8080_8080_8080_8080;
    let digits = others.trailing_zeros() / 8;
    let lanes = lanes.checked_shl(64 - 8 * digits).unwrap_or(0);
    let pairs = (lanes.wrapping_mul(10) + (lanes >> 8)) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let sum = (quads.wrapping_mul(10_000) + (quads >> 32)) & 0xffff_ffff;
    (sum, digits as usize)
}

/// Decimal numbers separated by commas; an empty text is an empty list.
pub(super) fn numbers(text: &[u8]) -> impl Iterator<Item = Option<u64>> + '_ {
    text.split(|byte| *byte == b',')
        .filter(move |_| !text.is_empty())
        .map(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_leading_number_is_what_its_digits_say(digits in "[0-9]{0,22}", rest in "([^0-9][ -~é]{0,12})?") {
            let text = format!("{digits}{rest}");
            let expected = (digits.len() <= 19).then(|| digits.parse().ok()).flatten();
            let read = leading_number(text.as_bytes());
            prop_assert_eq!(read.map(|(sum, _)| sum), expected);
            if let Some((_, behind)) = read {
                prop_assert_eq!(behind, rest.as_bytes());
            }
        }

        #[test]
        fn eight_bytes_of_anything_begin_with_so_many_digits(text in any::<[u8; 8]>()) {
            let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let sum = text[..digits].iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
            prop_assert_eq!(short_number(text), (sum, digits));
        }
    }
}
