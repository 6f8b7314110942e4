//! Regular expressions of JavaScript, as ShiViz takes them, in the dialect of the `regex` crate.
//!
//! The two differ in small ways that would change what matches: `{` may stand for itself, `.` stops at four
//! kinds of line end, `\d` and `\w` are ASCII, classes do not nest, `^` and `$` mean lines (ShiViz sets the
//! flag `m`). What an engine of linear time cannot do, looking around and back-references, is named with its
//! position. Source: ECMA-262, "Patterns" and its annex B; ShiViz, `js/util/regexp.js` (NamedRegExp).

use std::{iter::Peekable, str::Chars};

use regex::{Regex, RegexBuilder};

/// Longest expression, in bytes: those of real logs are under 500.
pub(super) const EXPRESSION_BYTES_MAX: usize = 4096;

/// Most bytes that a compiled expression may take; `a{1000}{1000}` would take more than any machine has.
const COMPILED_BYTES_MAX: usize = 4 << 20;

/// Deepest nesting of groups.
const NESTING_MAX: u32 = 64;

/// Repetitions larger than this are refused, as the compiled expression grows with them.
const REPETITIONS_MAX: u32 = 1000;

const ANYTHING: &str = r"[\x00-\x{10FFFF}]";
const NOTHING: &str = r"[^\x00-\x{10FFFF}]";
const NO_LINE_END: &str = r"[^\n\r\x{2028}\x{2029}]";
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const BLANK: &str =
    r"\t-\r\x20\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";

/// Why an expression cannot be used: at which character, from 1, and what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpressionError {
    pub(super) position: usize,
    pub(super) text: String,
}

/// A JavaScript expression on its way.
struct Translation<'a> {
    rest: Peekable<Chars<'a>>,
    /// Characters taken.
    position: usize,
    output: String,
}

/// What one step inside a class stands for.
enum ClassItem {
    Character(char),
    /// The inside of a class of its own, and whether it stands for all others.
    Set(&'static str, bool),
}

/// An expression with the flag `m`, ready to search.
pub(super) fn compile(expression: &str) -> Result<Regex, ExpressionError> {
    if expression.len() > EXPRESSION_BYTES_MAX {
        let text = format!(
            "it has {} bytes, {EXPRESSION_BYTES_MAX} are allowed",
            expression.len()
        );
        return Err(ExpressionError { position: 1, text });
    }
    let mut translation = Translation {
        rest: expression.chars().peekable(),
        position: 0,
        output: String::with_capacity(expression.len() * 2),
    };
    translation.all()?;
    RegexBuilder::new(&translation.output)
        .multi_line(true)
        .crlf(true)
        .size_limit(COMPILED_BYTES_MAX)
        .nest_limit(NESTING_MAX)
        .build()
        .map_err(|error| {
            let words = error.to_string();
            // The crate draws the expression over several lines; its last one says what is wrong.
            let last = words.lines().last().unwrap_or_default();
            let text = last.trim_start_matches("error: ").to_owned();
            ExpressionError { position: 1, text }
        })
}

/// The names of groups that an expression seems to have, whether it can be compiled or not.
pub(super) fn group_names(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split("(?<")
        .skip(1)
        .filter_map(|behind| Some(behind.split_once('>')?.0))
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

impl Translation<'_> {
    fn next(&mut self) -> Option<char> {
        self.position += 1;
        self.rest.next()
    }

    /// Takes the next character if it is this one.
    fn take(&mut self, character: char) -> bool {
        let is_next = self.rest.peek() == Some(&character);
        if is_next {
            self.next();
        }
        is_next
    }

    fn error<T>(&self, text: impl Into<String>) -> Result<T, ExpressionError> {
        let (position, text) = (self.position, text.into());
        Err(ExpressionError { position, text })
    }

    fn all(&mut self) -> Result<(), ExpressionError> {
        while let Some(character) = self.next() {
            match character {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '{' => self.brace()?,
                '.' => self.output.push_str(NO_LINE_END),
                ')' | '|' | '^' | '$' | '*' | '+' | '?' => self.output.push(character),
                other => self.literal(other),
            }
        }
        Ok(())
    }

    /// A character that stands for itself, inside a class or outside.
    fn literal(&mut self, character: char) {
        if character.is_ascii_alphanumeric() || character == '_' || !character.is_ascii() {
            self.output.push(character);
        } else {
            self.output += &format!("\\x{:02X}", u32::from(character));
        }
    }

    fn group(&mut self) -> Result<(), ExpressionError> {
        if !self.take('?') {
            self.output.push('(');
            return Ok(());
        }
        let unsupported =
            "is not supported: the engine that searches in linear time has none; rewrite it without";
        match self.next() {
            Some(':') => self.output.push_str("(?:"),
            Some('=' | '!') => {
                return self.error(format!("looking ahead, `(?=…)` or `(?!…)`, {unsupported}"));
            }
            Some('<') => match self.rest.peek() {
                Some('=' | '!') => {
                    return self.error(format!("looking behind, `(?<=…)` or `(?<!…)`, {unsupported}"));
                }
                _ => self.output.push_str("(?<"),
            },
            _ => {
                return self
                    .error("`(?` is followed by neither `:` nor `<name>`; JavaScript knows no other groups");
            }
        }
        if self.output.ends_with('<') {
            loop {
                match self.next() {
                    Some('>') => break self.output.push('>'),
                    Some(c) if c.is_ascii_alphanumeric() || c == '_' => self.output.push(c),
                    _ => return self.error("a group's name is letters, digits and `_`, then `>`"),
                }
            }
        }
        Ok(())
    }

    /// `{2,5}` repeats, any other brace stands for itself.
    fn brace(&mut self) -> Result<(), ExpressionError> {
        let ahead: String = self.rest.clone().take_while(|c| *c != '}').take(16).collect();
        let numbers: Vec<&str> = ahead.split(',').collect();
        let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_repetition = match numbers.as_slice() {
            [one] => is_number(one),
            [low, high] => is_number(low) && (high.is_empty() || is_number(high)),
            _ => false,
        } && self.rest.clone().nth(ahead.chars().count()) == Some('}');
        if !is_repetition {
            self.literal('{');
            return Ok(());
        }
        let too_large = |text: &str| text.parse::<u32>().is_ok_and(|number| number > REPETITIONS_MAX);
        if numbers.iter().any(|text| text.len() > 9 || too_large(text)) {
            return self.error(format!(
                "`{{{ahead}}}` repeats more than {REPETITIONS_MAX} times; write `*` or `+`"
            ));
        }
        self.output += &format!("{{{ahead}}}");
        for _ in 0..=ahead.chars().count() {
            self.next();
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), ExpressionError> {
        match self.rest.peek() {
            Some('b') => {
                self.next();
                self.output.push_str(r"(?-u:\b)");
            }
            Some('B') => return self.error(r"`\B` is not supported"),
            Some('1'..='9' | 'k') => {
                return self.error(r"a back-reference, `\1` or `\k<name>`, is not supported");
            }
            _ => match self.escaped()? {
                ClassItem::Character(character) => self.literal(character),
                ClassItem::Set(inside, is_negated) => {
                    let not = if is_negated { "^" } else { "" };
                    self.output += &format!("[{not}{inside}]");
                }
            },
        }
        Ok(())
    }

    /// What stands behind a backslash, inside a class or outside.
    fn escaped(&mut self) -> Result<ClassItem, ExpressionError> {
        let Some(character) = self.next() else {
            return self.error("a backslash at the end");
        };
        Ok(match character {
            'd' | 'D' => ClassItem::Set(DIGIT, character == 'D'),
            'w' | 'W' => ClassItem::Set(WORD, character == 'W'),
            's' | 'S' => ClassItem::Set(BLANK, character == 'S'),
            'n' => ClassItem::Character('\n'),
            'r' => ClassItem::Character('\r'),
            't' => ClassItem::Character('\t'),
            'v' => ClassItem::Character('\u{B}'),
            'f' => ClassItem::Character('\u{C}'),
            '0' => ClassItem::Character('\0'),
            'x' => ClassItem::Character(self.hexadecimal(2).unwrap_or('x')),
            'u' => ClassItem::Character(self.hexadecimal(4).unwrap_or('u')),
            'p' | 'P' | 'c' => return self.error(format!(r"`\{character}` is not supported")),
            other => ClassItem::Character(other),
        })
    }

    /// Exactly so many hexadecimal digits; `None`, and nothing taken, if there are fewer.
    fn hexadecimal(&mut self, digits: usize) -> Option<char> {
        let text: String = self.rest.clone().take(digits).collect();
        let is_whole = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(&text, 16).ok().filter(|_| is_whole)?;
        for _ in 0..digits {
            self.next();
        }
        // Half of a surrogate pair is no character here.
        Some(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// `[…]`: no class inside a class, no `&&`; a first `]` ends it.
    fn class(&mut self) -> Result<(), ExpressionError> {
        let start = self.position;
        let is_negated = self.take('^');
        if self.take(']') {
            self.output.push_str(if is_negated { ANYTHING } else { NOTHING });
            return Ok(());
        }
        self.output.push_str(if is_negated { "[^" } else { "[" });
        loop {
            let low = match self.next() {
                Some(']') => break self.output.push(']'),
                Some(character) => self.class_item(character)?,
                None => {
                    let (position, text) = (start, "a class, `[…]`, without its end".to_owned());
                    return Err(ExpressionError { position, text });
                }
            };
            let mut ahead = self.rest.clone();
            let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|next| next != ']');
            let ClassItem::Character(low) = low else {
                self.set(&low);
                continue;
            };
            self.literal(low);
            if is_range {
                self.next();
                let Some(high) = self.next() else { continue };
                match self.class_item(high)? {
                    ClassItem::Character(high) if high < low => {
                        return self.error(format!("the range {low}-{high} is out of order"));
                    }
                    ClassItem::Character(high) => {
                        self.output.push('-');
                        self.literal(high);
                    }
                    // `[a-\d]` means the three: a, the minus, digits.
                    set @ ClassItem::Set(..) => {
                        self.literal('-');
                        self.set(&set);
                    }
                }
            }
        }
        Ok(())
    }

    fn class_item(&mut self, character: char) -> Result<ClassItem, ExpressionError> {
        match character {
            '\\' if self.take('b') => Ok(ClassItem::Character('\u{8}')),
            '\\' => self.escaped(),
            other => Ok(ClassItem::Character(other)),
        }
    }

    fn set(&mut self, item: &ClassItem) {
        if let ClassItem::Set(inside, is_negated) = item {
            let not = if *is_negated { "^" } else { "" };
            self.output += &format!("[{not}{inside}]");
        }
    }
}

#[cfg(test)]
mod tests;
