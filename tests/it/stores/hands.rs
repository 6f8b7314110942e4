//! What commands say of a store that is not as whoever types them believes: it names what is so, and what to do.

use std::{fs, path::Path};

use tempfile::tempdir;

use super::{Started, done, until_done};
use crate::support::free_base_port;

#[test]
fn a_start_that_fails_leaves_latest_to_the_run_that_goes_on() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let (base, other) = (free_base_port(3), free_base_port(3));
    let store = Started::new(folder, &format!("kv run --base-port {base} --run first"));
    store.until_said("Ctrl-C ends them");
    let newest = || fs::read_link(folder.join("logs/latest")).unwrap();
    assert_eq!(newest(), Path::new("first"));
    let (code, text) = done(folder, &format!("kv run --base-port {other} --run second"));
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("in use by another process"), "{text}");
    assert_eq!(newest(), Path::new("first"), "{text}");
    assert!(!folder.join("logs/second").exists(), "{text}");
    let status = until_done(folder, "control status", "");
    assert!(status.starts_with("run first\n"), "{status}");
    let (code, text) = done(folder, "control resume");
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("ends by itself"), "{text}");
    store.end();
}

#[test]
fn what_is_said_of_a_token_is_so() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(1);
    let store = Started::new(
        folder,
        &format!("kv run --replicas 1 --base-port {base} --no-log"),
    );
    store.until_said("Ctrl-C ends them");
    let (code, text) = done(folder, "kv token create high --data kv-data");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("such as kv-data/replica-0"), "{text}");
    assert!(!folder.join("kv-data/tokens.json").exists());
    let made = |words: &str| {
        until_done(
            folder,
            &format!("kv token create {words} --data kv-data/replica-0"),
            "",
        )
    };
    assert!(made("root --scope admin").contains("`root` may do everything"));
    assert!(made("reads").contains("`reads` may read all keys"));
    let text = made("ann --scope write --prefix a'b&c/");
    assert!(
        text.contains("`ann` may read and write keys that begin with `a'b&c/`"),
        "{text}"
    );
    assert!(
        text.contains("'http://HOST:PORT/v1/keys?prefix=a%27b%26c/'"),
        "{text}"
    );
    let (code, text) = done(folder, "kv token revoke ann --data kv-data/replica-0");
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("at this replica; 2 left") && text.contains("copy kv-data/replica-0/tokens.json"),
        "{text}"
    );
    let (_, text) = done(folder, "kv token create x --data elsewhere");
    assert!(text.contains("--memory"), "{text}");
    // What happens to the file under a replica that runs stands in the terminal, and clients are told what it is.
    let file = folder.join("kv-data/replica-0/tokens.json");
    fs::write(&file, "{").unwrap();
    store.until_said("replica 0: ERROR nobody is let in any more");
    let (code, text) = done(folder, &format!("kv get a --token clk_0 --at 127.0.0.1:{base}"));
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("tokens.json cannot be read"), "{text}");
    fs::remove_file(&file).unwrap();
    store.until_said("is gone, and whoever reaches this replica may do everything");
    store.end();
}

#[test]
fn a_session_that_outlived_its_data_is_told_so() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(1);
    let words = format!("kv run --memory --replicas 1 --base-port {base} --no-log");
    let at = format!("--session m.s --at 127.0.0.1:{base}");
    let store = Started::new(folder, &words);
    until_done(folder, &format!("kv put x 1 {at}"), "created");
    store.end();
    let store = Started::new(folder, &words);
    until_done(folder, &format!("kv status --at 127.0.0.1:{base}"), "");
    let (code, text) = done(folder, &format!("kv get x --wait 50ms {at}"));
    assert_eq!(code, Some(3), "{text}");
    assert!(
        text.contains("begun anew") && text.contains("delete m.s to begin a new session"),
        "{text}"
    );
    fs::remove_file(folder.join("m.s")).unwrap();
    let (code, text) = done(folder, &format!("kv get x {at}"));
    assert_eq!(code, Some(1), "{text}");
    store.end();
}

#[test]
fn only_who_is_alone_says_so_and_a_folder_in_use_names_the_way() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let base = free_base_port(2);
    let first = format!("kv replica --id 0 --listen 127.0.0.1:{base} --data data");
    let store = Started::new(folder, &first);
    store.until_said("its page");
    assert!(store.said.lock().unwrap().contains("it is the only member"));
    let (code, text) = done(folder, &first.replace(&base.to_string(), &(base + 1).to_string()));
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("in use") && !text.contains("only member"), "{text}");
    let (code, text) = done(folder, "kv backup --data data --into copy.backup");
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("--at HOST:PORT --into copy.backup"), "{text}");
    let (code, text) = done(folder, "kv backup --data data --into none/copy.backup");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("mkdir -p none"), "{text}");
    let added = format!("kv members add 1=127.0.0.1:{} --at 127.0.0.1:{base}", base + 1);
    until_done(folder, &added, "is a member");
    store.end();
    // The folder knows the other by now, so no view is needed, and none is asked for.
    let store = Started::new(folder, &first);
    store.until_said("its page");
    assert!(!store.said.lock().unwrap().contains("only member"));
    store.end();
}
