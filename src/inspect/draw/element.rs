//! Writing SVG: elements, attributes, escaped text. Numbers have two decimals, a hundredth of a pixel.

use std::fmt::{self, Display, Write};

use crate::inspect::markup::escape;

/// An SVG text being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
}

/// A coordinate or length in pixels.
#[derive(Clone, Copy)]
pub(super) struct Pixels(pub(super) f64);

impl Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.0);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        f.write_str(if text == "-0" { "0" } else { text })
    }
}

impl Writer {
    /// An element without content. Attribute values are escaped.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        self.tag(name, attributes);
        self.text.push_str("/>\n");
    }

    /// Begins an element that [`close`](Self::close) ends.
    pub(super) fn open(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        self.tag(name, attributes);
        self.text.push_str(">\n");
    }

    pub(super) fn close(&mut self, name: &str) {
        // Writing into a text cannot fail.
        let _ = writeln!(self.text, "</{name}>");
    }

    /// An element that holds a text.
    pub(super) fn leaf(&mut self, name: &str, attributes: &[(&str, &dyn Display)], content: &str) {
        self.tag(name, attributes);
        let _ = writeln!(self.text, ">{}</{name}>", escape(content));
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        let _ = write!(self.text, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.text, " {key}=\"{}\"", escape(&value.to_string()));
        }
    }
}

/// How wide a text is at most in a common sans-serif font of this size.
pub(super) fn width_of(text: &str, size: f64) -> f64 {
    let units: f64 = text
        .chars()
        .map(|character| match character {
            'i' | 'j' | 'l' | 'f' | 't' | 'r' | '.' | ',' | ':' | ';' | '|' | '\'' | ' ' | '(' | ')' => 0.38,
            'm' | 'w' | 'M' | 'W' | '…' | '→' | '≤' => 0.9,
            narrow if narrow.is_ascii_lowercase() || narrow.is_ascii_digit() => 0.58,
            narrow if narrow.is_ascii() => 0.72,
            _ => 1.0,
        })
        .sum();
    units * size
}

/// A text cut to a width, with `…` where it was.
pub(super) fn fitted(text: &str, size: f64, width: f64) -> String {
    if width_of(text, size) <= width {
        return text.to_owned();
    }
    let mut result = String::new();
    for character in text.chars() {
        result.push(character);
        if width_of(&result, size) + size > width {
            result.pop();
            break;
        }
    }
    result + "…"
}

/// A text in lines of at most a width, broken at blanks.
pub(super) fn wrapped(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            *line = fitted(word, size, width);
        } else if width_of(line, size) + width_of(" ", size) + width_of(word, size) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(fitted(word, size, width));
        }
    }
    lines
}
