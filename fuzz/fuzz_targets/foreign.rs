//! Arbitrary bytes as a log of another program: reading never panics, what is read can be walked, and is the same a second time.
#![no_main]

use clocklab::inspect::foreign::read_bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok((verdict, history)) = read_bytes("log", input.to_vec()) else {
        return;
    };
    assert_eq!(verdict.is_valid(), verdict.broken() == 0);
    let told = |violation: &clocklab::trace::Violation| !violation.places.is_empty();
    assert!(verdict.violations.iter().all(told), "a violation names a line");
    let mut events = 0;
    history.each_in_causal_order(|id, _| {
        events += 1;
        let name = history.name_of(id);
        let found = name.parse().map(|name| history.find(&name));
        assert_eq!(found, Ok(Ok(id)), "each event is found by its name");
    });
    assert_eq!(events, history.len());
    let again = read_bytes("log", input.to_vec()).map(|(verdict, _)| verdict);
    assert_eq!(again.ok(), Some(verdict));
});
