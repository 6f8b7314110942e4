//! Sentences in lines of a terminal's width.

/// Columns of a line of text.
pub const COLUMNS: usize = 80;

/// `text` in lines of at most `columns` characters, broken at blanks, lines behind the first indented by
/// `indent`. A word longer than a line has a line of its own. Ends with a line feed.
#[must_use]
pub fn wrap(text: &str, columns: usize, indent: usize) -> String {
    let (mut output, mut length) = (String::new(), 0);
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if length > 0 && length + 1 + width > columns {
            output.push('\n');
            output += &" ".repeat(indent);
            length = indent;
        } else if length > 0 {
            output.push(' ');
            length += 1;
        }
        output += word;
        length += width;
    }
    output.push('\n');
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_every_word_stays() {
        let text = "one two three four five six seven eight nine ten";
        for columns in 1..60 {
            let wrapped = wrap(text, columns, 2);
            assert!(
                wrapped.split_whitespace().eq(text.split_whitespace()),
                "{columns}"
            );
            assert!(wrapped.ends_with('\n'));
            for line in wrapped.lines().filter(|line| line.trim().contains(' ')) {
                assert!(line.chars().count() <= columns, "{columns}: {line:?}");
            }
        }
        assert_eq!(wrap("one two", 4, 2), "one\n  two\n");
        assert_eq!(wrap("äöü äöü", 7, 2), "äöü äöü\n", "characters, not bytes");
    }
}
