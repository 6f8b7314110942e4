//! Vectors are a lattice, and survive their bytes and their text.

use proptest::prelude::*;

use super::*;

fn origin(machine: u16, incarnation: u32) -> Origin {
    Origin {
        machine: MachineId(machine),
        incarnation,
    }
}

fn vectors() -> impl Strategy<Value = VersionVector> {
    prop::collection::vec(((0_u16..5, 1_u32..4), 0_u64..20), 0..8).prop_map(|entries| {
        let entries = entries.into_iter();
        entries
            .map(|((machine, incarnation), number)| (origin(machine, incarnation), number))
            .collect()
    })
}

fn encoded(vector: &VersionVector) -> Vec<u8> {
    let mut body = Vec::new();
    vector.encode(&mut body);
    body
}

proptest! {
    #[test]
    fn merging_gives_the_least_upper_bound(a in vectors(), b in vectors(), other in vectors()) {
        let mut both = a.clone();
        both.merge(&b);
        prop_assert!(both.covers(&a) && both.covers(&b));
        prop_assert_eq!(other.covers(&both), other.covers(&a) && other.covers(&b));
        let mut swapped = b.clone();
        swapped.merge(&a);
        prop_assert_eq!(&swapped, &both);
        prop_assert_eq!(a.missing(&b).next().is_none(), a.covers(&b));
    }

    #[test]
    fn bytes_and_text_survive_and_truncation_is_told(vector in vectors()) {
        let body = encoded(&vector);
        let mut fields = Fields::new(&body);
        prop_assert_eq!(VersionVector::decode(&mut fields), Ok(vector.clone()));
        prop_assert_eq!(fields.end(), Ok(()));
        for cut in 0..body.len() {
            prop_assert!(VersionVector::decode(&mut Fields::new(&body[..cut])).is_err());
        }
        prop_assert_eq!(vector.to_string().parse(), Ok(vector));
    }

    #[test]
    fn any_bytes_are_a_vector_or_an_error(body in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut fields = Fields::new(&body);
        if let Ok(vector) = VersionVector::decode(&mut fields) {
            let read = body.len() - fields.rest().len();
            prop_assert_eq!(encoded(&vector), &body[..read]);
        }
    }
}

#[test]
fn zero_is_no_entry_and_never_goes_back() {
    let mut vector = VersionVector::new();
    assert!(!vector.raise(origin(1, 1), 0));
    assert!(vector.is_empty());
    assert!(vector.raise(origin(1, 1), 7));
    assert!(!vector.raise(origin(1, 1), 3));
    assert!(vector.contains(Dot::new(origin(1, 1), 7)));
    assert!(!vector.contains(Dot::new(origin(1, 2), 1)));
    assert_eq!(vector.to_string(), "1.1.7");
}

#[test]
fn wrong_texts_are_told() {
    for text in ["", "1", "1.2", "1.2.0", "70000.1.1", "1.2.3,", "a.b.c", "1.2.3.4"] {
        assert!(text.parse::<VersionVector>().is_err(), "{text}");
    }
}
