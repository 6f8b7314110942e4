//! The rules of the house that a text search can check. Each rule is a function from a file's text to what is
//! wrong with it, and each is shown a bad text, so that it can be seen to fail.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The layers, lower ones first. A module imports from its own layer and from lower ones; the row of a module
/// that is not here is the first thing to write when it is made.
const LAYERS: &[&[&str]] = &[
    &["units", "dice", "latency", "wire"],
    &["clock", "trace"],
    &["node", "faults"],
    &["control", "service"],
    &["model", "kv"],
    &["mesh", "sim", "disk"],
    &["gateway", "lab", "inspect"],
    &["watch"],
    &["cli"],
];

/// Imports that the layers would allow, and the rule that forbids them.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("mesh", "model", "drivers know no system"),
    ("sim", "model", "drivers know no system"),
    ("mesh", "kv", "drivers know no system"),
    ("sim", "kv", "drivers know no system"),
    ("disk", "kv", "drivers know no system"),
    ("kv", "model", "systems do not know each other"),
    ("model", "kv", "systems do not know each other"),
    ("sim", "mesh", "drivers do not know each other"),
    ("inspect", "mesh", "inspect reads logs only"),
    ("inspect", "lab", "inspect reads logs only"),
];

/// The outside world: what only drivers touch. A module of `std`, or a piece of text.
const WORLD: &[&str] = &[
    "std::net",
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
    "mio::",
    "Instant::now",
    "SystemTime::now",
    "Utc::now",
    "Local::now",
];

/// The modules that are drivers: sockets, threads, files, environment and clocks are their business.
const DRIVERS: &[&str] = &["mesh", "disk", "gateway", "lab", "watch", "cli", "main"];

/// The exceptions: a module and the one thing of the world that it needs.
const WORLD_EXCEPTIONS: &[(&str, &str)] = &[
    // Opens the logs that it reads.
    ("inspect", "std::fs"),
];

const LINES_MAX: usize = 500;

/// Lists of cases are long and flat.
const TEST_LINES_MAX: usize = 900;

const LINE_CHARACTERS_MAX: usize = 140;

/// What no source file holds, tests included. Split, so that this file does not hold them either.
const NEVER: &[&str] = &[
    concat!("to", "do!"),
    concat!("db", "g!"),
    concat!("unimpl", "emented!"),
    concat!("#[ig", "nore"),
];

/// What may stand at the top of the repository.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "NOTEBOOK.md",
    "README.md",
    "benches",
    "docs",
    "clippy.toml",
    "fuzz",
    "logs",
    "protocol.md",
    "run.sh",
    "rustfmt.toml",
    "src",
    "tests",
];

/// A source file.
struct Source {
    /// Behind the package's folder, with slashes: `src/wire/frame.rs`.
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// The top module that it belongs to: `wire` for `src/wire/frame.rs`, `units` for `src/units.rs`.
    fn module(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        !self.path.starts_with("src/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The text without comments and without what `#[cfg(test)]` marks; empty for a file of tests.
    fn code(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        let mut code = String::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            if line.trim() == "#[cfg(test)]" {
                let indent = line.len() - line.trim_start().len();
                let end = format!("{}}}", " ".repeat(indent));
                let item = lines.by_ref().find(|line| !line.trim_start().starts_with('#'));
                // rustfmt closes an item at the indentation it was opened at.
                if item.is_some_and(|item| item.ends_with('{')) {
                    lines.by_ref().find(|line| *line == end);
                }
                continue;
            }
            code.push_str(without_comment(line));
            code.push('\n');
        }
        code
    }
}

/// A line up to its comment; `//` inside a text that is no comment (`"http://"`) has a character before it.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.find(" //").map_or(line, |place| &line[..place])
}

/// The first names behind `root::` in a code: `a` for `root::a::B`, `a` and `b` for `root::{a::B, b}`.
fn names_behind(code: &str, root: &str) -> Vec<String> {
    let start = format!("{root}::");
    let mut names = Vec::new();
    for (place, _) in code.match_indices(&start) {
        let before = code[..place].chars().next_back();
        if before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':') {
            continue;
        }
        let rest = &code[place + start.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group_names(group)),
            None => names.push(leading_name(rest)),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn leading_name(text: &str) -> String {
    text.chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

/// The leading name of each item of an import group, up to its closing brace.
fn group_names(group: &str) -> Vec<String> {
    let (mut names, mut depth, mut item) = (Vec::new(), 1, String::new());
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(leading_name(std::mem::take(&mut item).trim())),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && character != ',' && character != '}' {
            item.push(character);
        }
    }
    names.push(leading_name(item.trim()));
    names
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Imports go downwards.
fn imports(source: &Source) -> Vec<String> {
    let (path, module) = (&source.path, source.module());
    if matches!(module, "lib" | "main") {
        return Vec::new();
    }
    let code = source.code();
    let mut wrong = Vec::new();
    let Some(own) = layer(module) else {
        return vec![format!(
            "{path}: the module `{module}` is in no layer of tests/it/tidy.rs"
        )];
    };
    for name in names_behind(&code, "crate") {
        match layer(&name) {
            // A type or macro of the crate's root, not a module.
            None => wrong.push(format!(
                "{path}: imports `crate::{name}`, which is no module of a layer"
            )),
            Some(other) if other > own => {
                wrong.push(format!("{path}: imports `crate::{name}` of a higher layer"))
            }
            Some(_) => {}
        }
        for (from, to, why) in FORBIDDEN {
            if *from == module && *to == name {
                wrong.push(format!("{path}: imports `crate::{name}`, but {why}"));
            }
        }
    }
    let depth = path.matches('/').count();
    let is_top = depth == 1 || (depth == 2 && path.ends_with("/mod.rs"));
    if code.contains("super::super::") || (is_top && !names_behind(&code, "super").is_empty()) {
        wrong.push(format!("{path}: leaves its module by `super`; write `crate::`"));
    }
    wrong
}

/// Only drivers touch the world.
fn world(source: &Source) -> Vec<String> {
    let module = source.module();
    if DRIVERS.contains(&module) {
        return Vec::new();
    }
    let code = source.code();
    let of_std: Vec<String> = names_behind(&code, "std")
        .iter()
        .map(|name| format!("std::{name}"))
        .collect();
    WORLD
        .iter()
        .filter(|what| !WORLD_EXCEPTIONS.contains(&(module, **what)))
        .filter(|what| match what.strip_prefix("std::") {
            Some(_) => of_std.iter().any(|name| name == *what),
            None => code.contains(**what),
        })
        .map(|what| format!("{}: `{what}` belongs to {}", source.path, DRIVERS.join(", ")))
        .collect()
}

/// The size and the form of a file.
fn form(source: &Source) -> Vec<String> {
    let path = &source.path;
    let mut wrong = Vec::new();
    let (lines, lines_max) = (
        source.text.lines().count(),
        if source.is_test() {
            TEST_LINES_MAX
        } else {
            LINES_MAX
        },
    );
    if lines > lines_max {
        wrong.push(format!("{path}: {lines} lines, {lines_max} are allowed"));
    }
    if !source.text.starts_with("//! ") {
        wrong.push(format!("{path}: a module begins with `//! ` and what it is"));
    }
    for (number, line) in (1..).zip(source.text.lines()) {
        if line.chars().count() > LINE_CHARACTERS_MAX {
            wrong.push(format!("{path}:{number}: over {LINE_CHARACTERS_MAX} characters"));
        }
        for what in NEVER.iter().filter(|what| line.contains(**what)) {
            wrong.push(format!("{path}:{number}: `{what}`"));
        }
    }
    if source.code().contains(".unwrap()") {
        wrong.push(format!("{path}: `.unwrap()` outside of tests"));
    }
    wrong
}

/// The repository's top level.
fn top_level<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names
        .filter(|name| !TOP_LEVEL.contains(name))
        .map(|name| format!("{name}: not a name for the top level; tests/it/tidy.rs has the list"))
        .collect()
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder of the package; none if it does not exist.
fn sources(folder: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = vec![package().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                // What a fuzzer builds and finds is not ours.
                if !path.ends_with("target") && !path.ends_with("corpus") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(package()).unwrap();
                let parts: Vec<_> = inside.iter().map(|part| part.to_str().unwrap()).collect();
                sources.push(Source::new(&parts.join("/"), &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn check(rule: fn(&Source) -> Vec<String>, folders: &[&str]) {
    let sources: Vec<Source> = folders.iter().flat_map(|folder| sources(folder)).collect();
    assert!(sources.len() > 5, "the sources of {folders:?} are here");
    assert_none(&sources.iter().flat_map(rule).collect::<Vec<_>>());
}

#[test]
fn imports_go_downwards() {
    check(imports, &["src"]);
}

#[test]
fn only_drivers_touch_the_world() {
    check(world, &["src"]);
}

#[test]
fn files_are_short_and_begin_with_their_page() {
    check(form, &["src", "tests", "benches"]);
}

#[test]
fn fuzz_targets_begin_with_their_page() {
    let wrong: Vec<String> = sources("fuzz").iter().flat_map(form).collect();
    assert_none(&wrong);
}

#[test]
fn the_top_level_holds_what_is_on_the_list() {
    let Ok(output) = Command::new("git")
        .arg("ls-files")
        .current_dir(package())
        .output()
    else {
        return;
    };
    // Outside of a repository, as in a source archive, there is nothing to compare.
    if output.status.success() {
        let files = String::from_utf8(output.stdout).unwrap();
        let names = files.lines().map(|file| file.split('/').next().unwrap_or(file));
        assert_none(&top_level(names));
    }
}

mod rules {
    //! Each rule is shown what it forbids, and what it allows.

    use super::*;

    fn wrong(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
        rule(&Source::new(path, text)).len()
    }

    #[test]
    fn an_import_of_a_higher_layer_is_seen_in_every_form() {
        for text in [
            "use crate::model::Config;",
            "use crate::{clock::Lamport, model::Config};",
            "use crate::{\n    clock::{self, Lamport},\n    model,\n};",
            "fn f() { crate::model::f() }",
            "use crate::Everything;",
            "use crate::*;\nuse crate::cli;",
        ] {
            assert_eq!(wrong(imports, "src/trace/line.rs", text), 1, "{text}");
        }
        for text in [
            "use crate::{clock::Lamport, wire::{Fields, FieldError}, trace};",
            "use super::event::Event;",
            "//! See [`crate::model`].\n/// And [`crate::mesh`].\nfn f() {} // crate::cli",
            "#[cfg(test)]\nmod tests {\n    use crate::model::Config;\n}\n",
            "pub(crate) fn f() {}",
        ] {
            assert_eq!(wrong(imports, "src/trace/line.rs", text), 0, "{text}");
        }
        assert_eq!(
            wrong(imports, "src/trace/tests.rs", "use crate::model::Config;"),
            0
        );
        assert_eq!(
            wrong(imports, "src/trace/tests/cut.rs", "use crate::model::Config;"),
            0
        );
        assert_eq!(
            wrong(
                imports,
                "src/cli/run.rs",
                "use crate::{mesh, lab, inspect, model};"
            ),
            0
        );
    }

    #[test]
    fn code_behind_a_block_of_tests_is_still_looked_at() {
        let text = "#[cfg(test)]\nmod tests {\n    fn f() {\n    }\n}\nuse crate::model::Config;\n";
        assert_eq!(wrong(imports, "src/trace/line.rs", text), 1);
        let text = "#[cfg(test)]\nmod tests;\nuse crate::model::Config;\n";
        assert_eq!(wrong(imports, "src/trace/line.rs", text), 1);
    }

    #[test]
    fn forbidden_pairs_are_seen_although_the_layers_allow_them() {
        assert_eq!(wrong(imports, "src/mesh/link.rs", "use crate::model::Config;"), 1);
        assert_eq!(
            wrong(imports, "src/inspect/table.rs", "use crate::{lab, mesh};"),
            2
        );
        assert_eq!(
            wrong(imports, "src/lab/mod.rs", "use crate::{inspect, mesh, model};"),
            0
        );
    }

    #[test]
    fn a_module_without_a_layer_and_a_way_out_by_super_are_seen() {
        assert_eq!(wrong(imports, "src/sundial/mod.rs", ""), 1);
        assert_eq!(wrong(imports, "src/sundial.rs", ""), 1);
        assert_eq!(wrong(imports, "src/trace/line.rs", "use super::super::mesh;"), 1);
        assert_eq!(wrong(imports, "src/trace/mod.rs", "use super::mesh;"), 1);
        assert_eq!(wrong(imports, "src/node.rs", "use super::mesh;"), 1);
        assert_eq!(wrong(imports, "src/trace/mod.rs", "pub(super) fn f() {}"), 0);
    }

    #[test]
    fn the_world_is_seen_in_every_form() {
        for text in [
            "use std::net::TcpStream;",
            "use std::{fmt, fs::File};",
            "use std::{\n    fmt,\n    thread,\n};",
            "fn f() { std::env::var(\"A\"); }",
            "fn f() { std::process::exit(1) }",
            "use mio::Poll;",
            "fn f() { Instant::now(); }",
            "fn f() { std::time::SystemTime::now(); }",
            "fn f() { chrono::Utc::now(); }",
        ] {
            assert_eq!(wrong(world, "src/model/node.rs", text), 1, "{text}");
            for driver in [
                "src/mesh/link.rs",
                "src/lab/mod.rs",
                "src/cli/run.rs",
                "src/main.rs",
            ] {
                assert_eq!(wrong(world, driver, text), 0, "{driver}: {text}");
            }
        }
        for text in [
            "use std::{fmt, io::{self, BufRead}, time::Duration};",
            "//! Not [`std::fs`].\n",
            "#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n",
        ] {
            assert_eq!(wrong(world, "src/model/node.rs", text), 0, "{text}");
        }
        assert_eq!(wrong(world, "src/inspect/open.rs", "use std::fs::File;"), 0);
        assert_eq!(
            wrong(world, "src/inspect/open.rs", "use std::{fs::File, thread};"),
            1
        );
    }

    #[test]
    fn the_form_of_a_file_is_seen() {
        let path = "src/model/node.rs";
        assert_eq!(wrong(form, path, "//! A page.\nfn f() {}\n"), 0);
        assert_eq!(wrong(form, path, "fn f() {}\n"), 1, "no page");
        assert_eq!(wrong(form, path, ""), 1, "nothing at all");
        let long = format!("//! A page.\n{}", "\n".repeat(LINES_MAX - 1));
        assert_eq!(wrong(form, path, &long), 0);
        assert_eq!(wrong(form, path, &format!("{long}\n")), 1, "too many lines");
        assert_eq!(wrong(form, "src/model/tests.rs", &format!("{long}\n")), 0);
        let longer = format!("//! A page.\n{}", "\n".repeat(TEST_LINES_MAX));
        assert_eq!(wrong(form, "src/model/tests.rs", &longer), 1);
        for what in NEVER {
            assert_eq!(wrong(form, path, &format!("//! A page.\n{what}")), 1, "{what}");
            assert_eq!(
                wrong(form, "src/model/tests.rs", &format!("//! A page.\n{what}")),
                1,
                "{what}"
            );
        }
        let wide = format!("//! {}", "ü".repeat(LINE_CHARACTERS_MAX - 4));
        assert_eq!(wrong(form, path, &wide), 0, "characters, not bytes");
        assert_eq!(wrong(form, path, &format!("{wide}x")), 1);
    }

    #[test]
    fn an_unwrap_is_allowed_in_tests_only() {
        let page = "//! A page.\n";
        let path = "src/model/node.rs";
        let text = "fn f() { g().unwrap(); }\n";
        assert_eq!(wrong(form, path, &format!("{page}{text}")), 1);
        assert_eq!(
            wrong(form, path, &format!("{page}fn f() {{ g().unwrap_or(1); }}\n")),
            0
        );
        assert_eq!(
            wrong(
                form,
                path,
                &format!("{page}#[cfg(test)]\nmod tests {{\n    {text}}}\n")
            ),
            0
        );
        assert_eq!(wrong(form, "src/model/tests.rs", &format!("{page}{text}")), 0);
        assert_eq!(wrong(form, "tests/it/mesh.rs", &format!("{page}{text}")), 0);
    }

    #[test]
    fn a_stranger_at_the_top_level_is_seen() {
        assert_eq!(
            top_level(["src", "Cargo.toml", "README.md"].into_iter()),
            Vec::<String>::new()
        );
        assert_eq!(top_level(["src", "TODO.txt"].into_iter()).len(), 1);
    }
}
