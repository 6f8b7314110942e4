//! As much of EDN, the notation of Clojure's data, as Maelstrom prints a message in.
//!
//! Maps, strings, numbers, keywords; vectors, lists, sets and tagged values are passed over. Source: the EDN
//! format's description (edn-format/edn), and Clojure's `pr-str`.

use std::{iter::Peekable, str::Chars};

/// Deepest nesting of values.
const NESTING_MAX: u32 = 64;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edn {
    /// A string.
    Text(String),
    /// A number, keyword or symbol, as it is written.
    Word(String),
    /// A map's keys and values.
    Map(Vec<(Edn, Edn)>),
    /// A vector, list or set, passed over.
    Other,
}

/// Reads the value that a text begins with; `None` if there is no whole one.
pub(super) fn parse(text: &str) -> Option<Edn> {
    let mut characters = text.chars().peekable();
    value(&mut characters, 0)
}

impl Edn {
    /// The value of a key, such as `:src`.
    pub(super) fn get(&self, key: &str) -> Option<&Edn> {
        let Edn::Map(pairs) = self else { return None };
        let found = pairs
            .iter()
            .find(|(name, _)| matches!(name, Edn::Word(word) if word == key));
        found.map(|(_, value)| value)
    }

    /// A string's text, or a word as it is written.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Edn::Text(text) | Edn::Word(text) => Some(text),
            Edn::Map(_) | Edn::Other => None,
        }
    }

    /// A number.
    pub(super) fn number(&self) -> Option<i64> {
        let Edn::Word(word) = self else { return None };
        word.parse().ok()
    }
}

fn value(rest: &mut Peekable<Chars<'_>>, depth: u32) -> Option<Edn> {
    if depth > NESTING_MAX {
        return None;
    }
    while rest.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
    match rest.next()? {
        '"' => string(rest).map(Edn::Text),
        '{' => {
            let items = items(rest, '}', depth)?;
            let mut pairs = Vec::with_capacity(items.len() / 2);
            let mut items = items.into_iter();
            while let Some(key) = items.next() {
                pairs.push((key, items.next()?));
            }
            Some(Edn::Map(pairs))
        }
        '[' => items(rest, ']', depth).map(|_| Edn::Other),
        '(' => items(rest, ')', depth).map(|_| Edn::Other),
        '#' if rest.next_if_eq(&'{').is_some() => items(rest, '}', depth).map(|_| Edn::Other),
        // A tag, as of a record: `#maelstrom.net.message.Message{…}`.
        '#' => {
            while rest.next_if(|c| !is_delimiter(*c)).is_some() {}
            value(rest, depth + 1)
        }
        ')' | ']' | '}' => None,
        first => {
            let mut word = String::from(first);
            while let Some(character) = rest.next_if(|c| !is_delimiter(*c)) {
                word.push(character);
            }
            Some(Edn::Word(word))
        }
    }
}

fn items(rest: &mut Peekable<Chars<'_>>, end: char, depth: u32) -> Option<Vec<Edn>> {
    let mut items = Vec::new();
    loop {
        while rest.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        if rest.next_if_eq(&end).is_some() {
            return Some(items);
        }
        items.push(value(rest, depth + 1)?);
    }
}

fn string(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut text = String::new();
    loop {
        match rest.next()? {
            '"' => return Some(text),
            '\\' => text.push(match rest.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            character => text.push(character),
        }
    }
}

fn is_delimiter(character: char) -> bool {
    character.is_whitespace() || matches!(character, ',' | '"' | '{' | '}' | '[' | ']' | '(' | ')')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_read_as_clojure_prints_it() {
        let text = [
            r#"#maelstrom.net.message.Message{:id 71, :src "n1", :dest "c\"1", "#,
            r#":body {:value [1 "}" #{2}], :in_reply_to 1, :type "init_ok"}} behind"#,
        ];
        let message = parse(&text.concat()).unwrap();
        assert_eq!(message.get(":id").unwrap().number(), Some(71));
        assert_eq!(message.get(":dest").unwrap().text(), Some("c\"1"));
        let body = message.get(":body").unwrap();
        assert_eq!(body.get(":type").unwrap().text(), Some("init_ok"));
        assert_eq!(body.get(":value"), Some(&Edn::Other));
    }

    #[test]
    fn what_is_cut_or_too_deep_is_nothing() {
        let text = r#"{:id 71, :src "n1", :body {:a [1 2]}}"#;
        for end in 0..text.len() {
            assert_eq!(parse(&text[..end]), None, "{}", &text[..end]);
        }
        assert!(parse(text).is_some());
        assert_eq!(parse(&"[".repeat(10_000)), None);
        assert_eq!(parse("{:a}"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[\\[\\](){}#\"\\\\:,a-c0-9 \n]{0,60}") {
            let _ = parse(&text);
        }
    }
}
