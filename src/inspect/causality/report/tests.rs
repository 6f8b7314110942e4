//! Text stays within 100 columns, and says numbers as people read them.

use super::concurrency::sum;
use super::text::{COLUMNS_MAX, Columns, counted, duration, seconds, sentence, share, shortened};

#[test]
fn the_last_column_is_wrapped_and_keeps_its_place() {
    let mut columns = Columns::new(["n", "what"], [1, 0]);
    columns.push(["1".to_owned(), "word ".repeat(40).trim_end().to_owned()]);
    let text = columns.render();
    assert!(text.lines().count() > 2);
    assert!(
        text.lines().all(|line| line.chars().count() <= COLUMNS_MAX),
        "{text}"
    );
    assert!(
        text.lines().skip(2).all(|line| line.starts_with("     word")),
        "{text}"
    );
}

#[test]
fn sentences_are_wrapped_and_a_long_word_stands_alone() {
    let word = "x".repeat(150);
    let text = sentence(&format!("a {word} b"), 2);
    assert_eq!(text.lines().count(), 3);
    assert_eq!(text.lines().last(), Some("  b"));
}

#[test]
fn numbers_are_said_with_their_units() {
    assert_eq!(duration(999), "999 us");
    assert_eq!(duration(-1_500), "-1.5 ms");
    assert_eq!(duration(2_345_678), "2.35 s");
    assert_eq!(seconds(Some(-1_000_001)), "-1.000001");
    assert_eq!(seconds(None), "-");
    assert_eq!(
        (counted(1, "event"), counted(2, "event")),
        ("1 event".to_owned(), "2 events".to_owned())
    );
    assert_eq!((share(1, 8), share(0, 0)), ("12.5 %".to_owned(), "-".to_owned()));
    assert_eq!(shortened("a\nbcdef", 4), "a b…");
}

#[test]
fn parts_of_a_chain_add_up_to_the_largest_at_most_and_to_nothing_if_one_is_unknown() {
    assert_eq!(sum([Some(2), Some(-5)].into_iter()), Some(-3));
    assert_eq!(sum([Some(i64::MAX), Some(7)].into_iter()), Some(i64::MAX));
    assert_eq!(sum([Some(2), None].into_iter()), None);
}
