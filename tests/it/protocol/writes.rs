//! Section 9, layout of writes: its limits against the code, its examples byte by byte.

use clocklab::{
    clock::{Dot, Origin, VersionVector},
    kv::{
        self, Applied, BatchReader, BatchWriter, Change, Cleared, Content, Format, Incoming, Scope, Store,
        Value, Write,
    },
    units::MachineId,
};

use super::{PROTOCOL, assert_same, number, table};

const LIMITS: &[(&str, u64)] = &[
    ("BATCH_BYTES_MAX", kv::BATCH_BYTES_MAX as u64),
    ("ORIGINS_MAX", kv::ORIGINS_MAX as u64),
    ("WRITE_BYTES_MAX", kv::WRITE_BYTES_MAX as u64),
    ("DEPENDENCIES_MAX", kv::DEPENDENCIES_MAX as u64),
    ("SIBLINGS_MAX", kv::SIBLINGS_MAX as u64),
    ("STAMP_MAX", kv::STAMP_MAX),
];

#[test]
fn limits_are_those_of_the_code() {
    let document = table(&["batch limit", "value", "what happens at the limit"]);
    assert_same(
        document.iter().map(|row| (row[0].clone(), number(&row[1]))),
        LIMITS.iter().map(|(name, value)| ((*name).to_owned(), *value)),
    );
}

fn example(name: &str) -> Vec<u8> {
    let start = format!("    layout, {name}: ");
    let line = PROTOCOL.lines().find_map(|line| line.strip_prefix(&start));
    let digits = line.unwrap_or_else(|| panic!("protocol.md lacks the example of {name}"));
    let pairs = digits
        .split(' ')
        .map(|pair| u8::from_str_radix(pair, 16).unwrap());
    pairs.collect()
}

fn origin(machine: u16, incarnation: u32) -> Origin {
    Origin {
        machine: MachineId(machine),
        incarnation,
    }
}

fn deed(key: &str, change: Change, seen: &[(Origin, u64)]) -> Applied {
    Applied {
        key: key.as_bytes().into(),
        change,
        seen: seen.iter().copied().collect(),
        cleared: Cleared::default(),
        ends_us: None,
    }
}

fn json(text: &str) -> Value {
    Value {
        format: Format::Json,
        bytes: text.as_bytes().into(),
    }
}

#[test]
fn the_batch_is_what_the_text_says() {
    let (mine, other) = (origin(3, 9), origin(2, 4));
    let mut delete = deed("c", Change::Delete, &[(other, 6), (mine, 4)]);
    delete.cleared.sums.push((other, 10));
    let dependencies: VersionVector = [(other, 6)].into_iter().collect();
    let write = |number, stamp, operations| Write {
        dot: Dot::new(mine, number),
        stamp,
        dependencies: dependencies.clone(),
        operations,
    };
    let writes = [
        write(5, 12, vec![deed("k", Change::Put(json("7")), &[(other, 6)])]),
        write(6, 13, vec![deed("n", Change::Add(3), &[]), delete]),
    ];
    let bytes = example("batch");
    let mut reader = BatchReader::new(&bytes).unwrap();
    assert_eq!((reader.origin(), reader.first(), reader.last()), (mine, 5, 6));
    let mut writer = BatchWriter::new(mine, 5);
    for write in writes {
        assert!(writer.push(&write));
        assert_eq!(reader.next_write(), Ok(Some(write)));
    }
    assert_eq!(reader.next_write(), Ok(None));
    assert_eq!(writer.finish(), bytes);
}

#[test]
fn the_entry_is_what_the_text_says() {
    let (mine, other) = (origin(3, 9), origin(2, 4));
    let bytes = example("entry");
    let mut store = Store::default();
    store.restore(b"k", &bytes).unwrap();
    assert_eq!(store.entry_bytes(b"k").as_deref(), Some(&*bytes));
    let item = store.get(b"k", 0).unwrap();
    assert_eq!(item.content, Content::Values(vec![json("7")]));
    let present = store.present(b"k");
    assert_eq!(present[..2], [(Dot::new(mine, 5), 12), (Dot::new(other, 8), 11)]);
    // Beside the versions: the counter's part and what took away of it, the element, the removal.
    let others = [(other, 6), (mine, 4), (other, 7), (mine, 3)];
    assert_eq!(
        present[2..],
        others.map(|(origin, number)| (Dot::new(origin, number), 0))
    );
    // Who knows the value and has it no more takes it away, and the counter comes to light: 10 less 7.
    let known = |number| {
        [(mine, number), (other, 8)]
            .into_iter()
            .collect::<VersionVector>()
    };
    let mut incoming = Incoming::default();
    let without: Vec<u8> = [&[0x07], &bytes[8..]].concat();
    incoming.push(b"k", &without).unwrap();
    assert_eq!(
        store.adopt(incoming, Scope::Beyond, &known(5), &known(5)).len(),
        1
    );
    assert_eq!(store.get(b"k", 0).unwrap().content, Content::Counter(3));
}
