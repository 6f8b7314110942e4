//! Section 2, open meshes and clients: the examples and values of the text against the code.

use clocklab::{
    mesh::open,
    units::MachineId,
    wire::{CLIENT, CONTROLLER, Hello, NOT_COUNTED, OPEN_IDS, Standing, Trust},
};

use super::{PROTOCOL, number, table_in};

/// The bytes of the one example whose line begins so.
fn example(start: &str) -> Vec<u8> {
    let mut lines = PROTOCOL.lines().filter_map(|line| line.strip_prefix(start));
    let line = lines.next().unwrap_or_else(|| panic!("no example `{start}`"));
    let bytes = line
        .split_whitespace()
        .map(|pair| u8::from_str_radix(pair, 16).unwrap());
    bytes.collect()
}

#[test]
fn the_hello_of_an_open_mesh_is_as_shown() {
    let hello = Hello {
        system: 2,
        machines: NOT_COUNTED,
        sender: MachineId(7),
        receiver: MachineId(3),
        incarnation: 1_700_000_000,
        trust: Trust::Open,
        standing: Standing::Given,
        run: "store".parse().unwrap(),
    };
    let mut bytes = Vec::new();
    hello.encode(&mut bytes);
    assert_eq!(bytes, example("    hello, open mesh:"));
    assert!(PROTOCOL.contains("Machine 7 of the open mesh `store` dials machine 3, in its life 1700000000:"));
}

#[test]
fn the_hello_of_a_client_is_as_the_table_says() {
    let rows = table_in(PROTOCOL, &["field", "value of a client"]);
    let value = |field: &str| {
        let row = rows.iter().find(|row| row[0] == field).unwrap();
        row[1].clone()
    };
    let hello = Hello::of_client(2, None, Trust::Open);
    assert_eq!(number(&value("machines")), u64::from(hello.machines));
    assert_eq!(number(&value("sender")), u64::from(hello.sender.0));
    assert_eq!(hello.sender, CLIENT);
    assert_eq!(number(&value("incarnation")), u64::from(hello.incarnation));
    assert!(value("receiver").contains(&hello.receiver.to_string()));
    assert_eq!(hello.receiver, CONTROLLER);
    assert!(value("run").contains(&format!("(`{}`)", hello.run)));
}

#[test]
fn the_numbers_of_the_text_are_those_of_the_code() {
    for text in [
        format!("An id is below {OPEN_IDS},"),
        format!("no link has come up within {} ms", open::SMALLER_DIALS_AFTER_MS),
    ] {
        assert!(PROTOCOL.contains(&text), "{text}");
    }
    assert_eq!(
        (open::SILENT_MS, open::AGAIN_MS),
        (1000, 1000),
        "`one second`, `a second`"
    );
}
