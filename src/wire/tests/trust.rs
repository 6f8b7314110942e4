//! The proofs of a handshake: what is in them, and that nothing else passes.

use super::*;

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

/// The hello of machine `sender` of 3 to machine `receiver`, with a nonce of these bytes.
fn hello(sender: u16, receiver: u16, nonce: u8) -> Hello {
    Hello {
        system: 1,
        machines: 3,
        sender: MachineId(sender),
        receiver: MachineId(receiver),
        incarnation: 1,
        trust: Trust::Secret {
            nonce: [nonce; NONCE_BYTES],
        },
        standing: Standing::Proposed,
        run: "20261120-231601".parse().unwrap(),
    }
}

/// What is changed in a hello, and the code that it is refused with.
type Change<'a> = (&'a dyn Fn(&mut Hello), ErrorCode);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Computed with Python's hmac and hashlib.
#[test]
fn proofs_are_hmac_sha_256_of_both_hellos() {
    let (dialler, accepter) = (hello(1, 0, 1), hello(0, 1, 2));
    let handshake = Handshake {
        dialler: &dialler,
        accepter: &accepter,
    };
    let zeros = secret(&"0".repeat(32));
    for (role, expected) in [
        (
            Role::Dialler,
            "86eca87d77f1ebcb58cd7e1b880ce197c42d0a6a9a2d125ac131dc1872ecdcfe",
        ),
        (
            Role::Accepter,
            "b31a411222e92b38c3dadb6df969cf50a58899edd26bdf45125e0951059ca640",
        ),
    ] {
        let proof = handshake.proof(&zeros, role);
        assert_eq!(hex(&proof), expected);
        assert_eq!(handshake.verify(&zeros, role, &proof), Ok(()));
    }
}

#[test]
fn a_proof_holds_for_one_secret_one_role_and_these_two_hellos() {
    let (dialler, accepter) = (hello(1, 0, 1), hello(0, 1, 2));
    let right = secret(&"0".repeat(32));
    let proof = Handshake {
        dialler: &dialler,
        accepter: &accepter,
    }
    .proof(&right, Role::Dialler);
    let verified = |secret: &Secret, role, dialler: &Hello, accepter: &Hello| {
        let handshake = Handshake { dialler, accepter };
        let verified = handshake.verify(secret, role, &proof);
        verified.map_err(|refusal| refusal.code)
    };
    let wrong = Err(ErrorCode::NotAuthenticated);
    assert_eq!(verified(&right, Role::Dialler, &dialler, &accepter), Ok(()));
    assert_eq!(
        verified(&secret(&"1".repeat(32)), Role::Dialler, &dialler, &accepter),
        wrong
    );
    assert_eq!(verified(&right, Role::Accepter, &dialler, &accepter), wrong);
    assert_eq!(verified(&right, Role::Dialler, &accepter, &dialler), wrong);
    let changes: [&dyn Fn(&mut Hello); 7] = [
        &|hello| hello.system = 2,
        &|hello| hello.machines = 4,
        &|hello| hello.sender = MachineId(2),
        &|hello| hello.receiver = MachineId(2),
        &|hello| hello.incarnation = 2,
        &|hello| hello.run = "another".parse().unwrap(),
        &|hello| {
            hello.trust = Trust::Secret {
                nonce: [3; NONCE_BYTES],
            }
        },
    ];
    for change in changes {
        let (mut other_dialler, mut other_accepter) = (dialler.clone(), accepter.clone());
        change(&mut other_dialler);
        change(&mut other_accepter);
        assert_eq!(verified(&right, Role::Dialler, &other_dialler, &accepter), wrong);
        assert_eq!(verified(&right, Role::Dialler, &dialler, &other_accepter), wrong);
    }
}

proptest! {
    #[test]
    fn no_other_bytes_are_a_proof(place in 0..PROOF_BYTES, flip in 1..=u8::MAX) {
        let (dialler, accepter) = (hello(1, 0, 1), hello(0, 1, 2));
        let handshake = Handshake { dialler: &dialler, accepter: &accepter };
        let secret = secret("a secret of more than thirty-two bytes");
        let mut proof = handshake.proof(&secret, Role::Accepter);
        proof[place] ^= flip;
        prop_assert!(handshake.verify(&secret, Role::Accepter, &proof).is_err());
    }
}

#[test]
fn both_sides_have_a_secret_or_neither() {
    let secret = hello(0, 1, 7).trust;
    for (mine, theirs, fits) in [
        (Trust::Open, Trust::Open, true),
        (secret, secret, true),
        (secret, Trust::Open, false),
        (Trust::Open, secret, false),
    ] {
        match mine.judge(&theirs) {
            Ok(()) => assert!(fits, "{mine:?} {theirs:?}"),
            Err(refusal) => {
                assert!(!fits, "{mine:?} {theirs:?}");
                assert_eq!(refusal.code, ErrorCode::NotAuthenticated);
                assert!(refusal.text.contains("--secret-file"), "{}", refusal.text);
                assert!(refusal.text.len() <= ERROR_TEXT_BYTES_MAX);
            }
        }
    }
}

#[test]
fn a_secret_has_32_bytes_and_is_never_shown() {
    let text = "x".repeat(SECRET_BYTES_MIN);
    assert_eq!(Secret::new(&format!("  {text}\n")), Secret::new(&text));
    let short = Secret::new(&format!("{}   \n", &text[1..])).unwrap_err();
    assert_eq!(short.bytes, SECRET_BYTES_MIN - 1);
    assert!(short.to_string().contains("clocklab secret"), "{short}");
    assert!(!format!("{:?}", secret(&text)).contains('x'));
}

/// A machine's hello to a controller.
fn machine_hello() -> Hello {
    Hello {
        receiver: CONTROLLER,
        standing: Standing::Given,
        ..hello(1, 0, 1)
    }
}

#[test]
fn a_controllers_hello_is_judged_by_its_own_rules() {
    let machine = machine_hello();
    let trust = hello(0, 1, 9).trust;
    let run = machine.run.clone();
    for (to, about) in [
        (None, None),
        (Some(MachineId(1)), None),
        (Some(MachineId(1)), Some(&run)),
    ] {
        let hello = Hello::of_controller(to, about, trust);
        assert_eq!(machine.judge_controller(&hello), Ok(()), "{hello:?}");
        assert_eq!(hello.judge_controlled(&machine), Ok(()), "{hello:?}");
    }
    let changes: [Change; 5] = [
        (&|hello| hello.trust = Trust::Open, ErrorCode::NotAuthenticated),
        (&|hello| hello.system = 1, ErrorCode::WrongSystem),
        (&|hello| hello.machines = 3, ErrorCode::WrongMachines),
        (&|hello| hello.receiver = MachineId(2), ErrorCode::WrongReceiver),
        (
            &|hello| hello.run = "another".parse().unwrap(),
            ErrorCode::WrongRun,
        ),
    ];
    for (change, code) in changes {
        let mut hello = Hello::of_controller(Some(MachineId(1)), Some(&run), trust);
        change(&mut hello);
        let refusal = machine.judge_controller(&hello).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal}");
    }
}

#[test]
fn a_controller_judges_the_machine_that_answers() {
    let run = machine_hello().run;
    let mine = Hello::of_controller(Some(MachineId(1)), Some(&run), hello(0, 1, 9).trust);
    let changes: [Change; 4] = [
        (&|hello| hello.trust = Trust::Open, ErrorCode::NotAuthenticated),
        (&|hello| hello.sender = MachineId(2), ErrorCode::IdOutOfRange),
        (&|hello| hello.receiver = MachineId(0), ErrorCode::WrongReceiver),
        (
            &|hello| hello.run = "another".parse().unwrap(),
            ErrorCode::WrongRun,
        ),
    ];
    for (change, code) in changes {
        let mut theirs = machine_hello();
        change(&mut theirs);
        assert_eq!(mine.judge_controlled(&theirs).unwrap_err().code, code);
    }
}
