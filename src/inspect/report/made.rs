//! How a run was made: what its `run.json` says, read with the care that any file deserves.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use serde_json::Value;

/// Bytes of a `run.json` that are read; the launcher's for ten thousand machines has a third of that.
const RUN_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What the `run.json` of a folder says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// The command line as a person would type it.
    pub command: Option<String>,
    /// Everything else, by name, in the order of their names: numbers and words as they are, lists with commas.
    pub facts: Vec<(String, String)>,
    /// Why less is known than could be, in words.
    pub note: Option<String>,
}

impl Made {
    /// Reads the `run.json` of a run's folder. What cannot be read is a [`note`](Self::note).
    #[must_use]
    pub fn read(dir: &Path) -> Self {
        let file = dir.join("run.json");
        let mut text = String::new();
        let opened = File::open(&file);
        let read = opened.and_then(|file| file.take(RUN_FILE_BYTES_MAX + 1).read_to_string(&mut text));
        let note = match read {
            Ok(bytes) if bytes as u64 > RUN_FILE_BYTES_MAX => {
                format!("run.json has more than {RUN_FILE_BYTES_MAX} bytes and was left unread")
            }
            Ok(_) => return Self::parse(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                "the folder has no run.json, so the command is not known".to_owned()
            }
            Err(error) => format!("run.json cannot be read: {error}"),
        };
        Self {
            note: Some(note),
            ..Self::default()
        }
    }

    fn parse(text: &str) -> Self {
        let mut made = Self::default();
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => {
                for (name, value) in &fields {
                    match (name.as_str(), value) {
                        ("command", Value::Array(words)) => made.command = Some(command(words)),
                        // An address a machine is of no use to a reader of thousands.
                        ("addresses", Value::Array(all)) => {
                            made.facts.push((name.clone(), ends(all)));
                        }
                        ("gathered", Value::Array(all)) => {
                            made.facts.push((name.clone(), gathered(all)));
                        }
                        _ => made.facts.push((name.clone(), shown(value))),
                    }
                }
            }
            Ok(_) => made.note = Some("run.json holds no object".to_owned()),
            Err(error) => made.note = Some(format!("run.json is no JSON: {error}")),
        }
        made
    }
}

/// Words of a shell, quoted where they have to be.
fn command(words: &[Value]) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./,:=+@%".contains(character);
    let quoted = words.iter().map(|word| {
        let word = shown(word);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Which folder's logs are whose; what each folder's own description says is left to the file.
fn gathered(all: &[Value]) -> String {
    let one = |source: &Value| {
        let said = |name| source.get(name).map_or_else(|| "?".to_owned(), shown);
        format!("{} (machines {})", said("folder"), said("machines"))
    };
    all.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(bool) => bool.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{name}: {}", shown(value));
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
    }
}

/// The first and the last of a list.
fn ends(all: &[Value]) -> String {
    match all {
        [] => "-".to_owned(),
        [one] => shown(one),
        [first, .., last] => format!("{} to {}", shown(first), shown(last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_again() {
        let made = Made::parse(r#"{"command":["clocklab","run","--logs","my logs","it's"],"seed":7}"#);
        assert_eq!(
            made.command.as_deref(),
            Some(r"clocklab run --logs 'my logs' 'it'\''s'")
        );
        assert_eq!(made.facts, [("seed".to_owned(), "7".to_owned())]);
    }

    #[test]
    fn a_gathered_run_names_its_folders() {
        let made = Made::parse(
            r#"{"gathered":[{"folder":"a","machines":[0,2],"run_json":{"seed":7}},{"folder":"b","machines":[1]}]}"#,
        );
        let text = "a (machines 0, 2); b (machines 1)".to_owned();
        assert_eq!(made.facts, [("gathered".to_owned(), text)]);
    }

    #[test]
    fn what_is_no_description_of_a_run_is_noted() {
        assert!(Made::parse("[]").note.unwrap().contains("no object"));
        assert!(Made::parse("{").note.unwrap().contains("no JSON"));
        let folder = tempfile::tempdir().unwrap();
        assert!(Made::read(folder.path()).note.unwrap().contains("no run.json"));
        let long = " ".repeat(1024 * 1024 + 1);
        std::fs::write(folder.path().join("run.json"), long).unwrap();
        assert!(Made::read(folder.path()).note.unwrap().contains("left unread"));
        std::fs::write(folder.path().join("run.json"), [0xff, 0xfe]).unwrap();
        assert!(Made::read(folder.path()).note.unwrap().contains("cannot be read"));
    }
}
