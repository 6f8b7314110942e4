//! Hosts files, plans, settings and the `latest` link: what is accepted, and the words for what is not.

use std::{fs, net::SocketAddr, time::Duration};

use super::{Hosts, Plan, Settings, point_latest_to, try_logs};
use crate::{
    clock::ClockKind,
    mesh::OnPeerLoss,
    model::{Phase, Rates},
    trace::Traffic,
    units::{MachineId, Speed},
    wire::Standing,
};

#[test]
fn a_hosts_file_lists_every_machine_in_any_order() {
    let text = "# ours\n1 127.0.0.1:7001\n\n  0\t127.0.0.2:7000\n2   [::1]:7002\n";
    let hosts = Hosts::parse("hosts", text).unwrap();
    let expected: Vec<SocketAddr> = ["127.0.0.2:7000", "127.0.0.1:7001", "[::1]:7002"]
        .map(|text| text.parse().unwrap())
        .into();
    assert_eq!(hosts.0, expected);
}

#[test]
fn a_wrong_hosts_file_is_explained_by_line() {
    for (text, line, words) in [
        ("0 127.0.0.1:1\nrubbish\n", 2, "id host:port"),
        ("zero 127.0.0.1:1\n", 1, "id host:port"),
        ("0 127.0.0.1:one\n", 1, "no address"),
        (
            "0 127.0.0.1:1\n1 127.0.0.2\n",
            2,
            "the port is missing; write host:port, such as `1 127.0.0.2:17101`",
        ),
        (
            "0 ::1\n",
            1,
            "the port is missing; write host:port, such as `0 [::1]:17100`",
        ),
        ("0 127.0.0.1:1\n0 127.0.0.1:2\n", 2, "twice"),
        ("0 127.0.0.1:1\n2 127.0.0.1:2\n", 2, "machine 1 is missing"),
        ("0 127.0.0.1:1\n20000 127.0.0.1:2\n", 2, "ids go up to"),
    ] {
        let error = Hosts::parse("hosts.txt", text).unwrap_err();
        assert_eq!(error.line, line, "{text}");
        assert!(error.what.contains(words), "{text}: {error}");
        assert!(error.to_string().starts_with("hosts.txt, line "), "{error}");
    }
}

#[test]
fn the_assignments_plan_is_three_groups_of_five_minutes() {
    let plan = Plan::assignment();
    let groups: Vec<_> = plan
        .groups
        .iter()
        .map(|group| {
            (
                group.name.as_str(),
                group.runs,
                group.duration.as_secs(),
                group.draw().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        groups,
        [("random", 5, 60, 10), ("narrow", 5, 60, 10), ("chatty", 5, 60, 4)]
    );
    assert_eq!(plan.groups[0].rates, Rates::Range { from: 1, to: 6 });
    assert_eq!(
        plan.groups[0].seed, plan.groups[2].seed,
        "the same rates, another die"
    );
}

#[test]
fn a_wrong_plan_is_explained() {
    for (text, words) in [
        ("name = \"x\"\ngroup = []\n", "at least one"),
        (
            "name = \"x\"\n[[group]]\nname = \"a\"\nruns = 0\nseed = 1\n",
            "runs = 0",
        ),
        (
            "name = \"x\"\n[[group]]\nname = \"a\"\nruns = 1\nseed = 1\nspeed = 3\n",
            "speed",
        ),
        (
            "name = \"x\"\n[[group]]\nname = \"a\"\nruns = 1\nseed = 1\nrates = \"6-1\"\n",
            "empty",
        ),
        (
            "name = \"x\"\n[[group]]\nname = \"a\"\nruns = 1\nseed = 1\nduration = \"soon\"\n",
            "expected number",
        ),
        ("name = \"../x\"\n", "cannot name a run"),
        (
            "name = \"x\"\n[[group]]\nname = \"a\"\nruns = 1\nseed = 1\n[[group]]\nname = \"a\"\nruns = 1\nseed = 1\n",
            "two groups",
        ),
    ] {
        let error = Plan::parse("plan.toml", text).unwrap_err().to_string();
        assert!(
            error.starts_with("plan.toml: ") && error.contains(words),
            "{text}\n{error}"
        );
    }
}

#[test]
fn ports_that_do_not_fit_are_refused() {
    let host = "127.0.0.1".parse().unwrap();
    assert_eq!(Settings::consecutive(host, 65_533, 3).unwrap()[2].port(), 65_535);
    for (base_port, machines) in [(65_534, 3), (0, 3)] {
        let error = Settings::consecutive(host, base_port, machines)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("--base-port") && error.contains(&base_port.to_string()),
            "{error}"
        );
    }
}

#[test]
fn a_machines_arguments_say_everything() {
    let settings = Settings {
        addresses: Settings::consecutive("127.0.0.1".parse().unwrap(), 6000, 2).unwrap(),
        bind: None,
        hosts: None,
        rates: vec![6, 4],
        speed: Speed::NORMAL,
        draw: 4,
        traffic: Traffic::Assignment,
        phase: Phase::Aligned,
        clock: ClockKind::Lamport,
        duration: Some(Duration::from_millis(1500)),
        seed: 7,
        on_peer_loss: OnPeerLoss::Continue,
        faults: None,
        connect_timeout: Duration::from_secs(3),
        logs: "some where".into(),
        run: "named".parse().unwrap(),
        standing: Standing::Given,
        secret: None,
    };
    let expected = "machine --id 1 --machines 2 --base-port 6000 --rates 6,4 --speed 1 --draw 4 --traffic assignment \
                    --phase aligned --clock lamport --duration 1500000us --seed 7 --on-peer-loss continue \
                    --connect-timeout 3000000us --logs some where --run named";
    assert_eq!(settings.arguments(MachineId(1)).join(" "), expected);
    assert_eq!(
        settings.mesh(MachineId(1)).listen,
        "127.0.0.1:6001".parse().unwrap()
    );
    let error = settings.model(MachineId(2)).unwrap_err().to_string();
    assert!(error.contains("--id 2") && error.contains("0 to 1"), "{error}");
}

#[test]
fn latest_points_to_the_newest_run_and_replaces_only_links() {
    let logs = tempfile::tempdir().unwrap();
    for name in ["first", "second"] {
        point_latest_to(logs.path(), &name.parse().unwrap()).unwrap();
        assert_eq!(
            fs::read_link(logs.path().join("latest")).unwrap().to_str(),
            Some(name)
        );
    }
    fs::remove_file(logs.path().join("latest")).unwrap();
    fs::create_dir(logs.path().join("latest")).unwrap();
    let error = point_latest_to(logs.path(), &"third".parse().unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("is no link"), "{error}");
}

#[test]
fn what_a_killed_launch_left_behind_goes_with_the_next_one() {
    let logs = tempfile::tempdir().unwrap();
    fs::create_dir(logs.path().join(".try-1")).unwrap();
    fs::create_dir(logs.path().join("a-run")).unwrap();
    // What is none of ours stays, and is in nobody's way.
    fs::create_dir_all(logs.path().join(".try-mine/deep")).unwrap();
    fs::write(logs.path().join(".try-file"), "").unwrap();
    try_logs(logs.path()).unwrap();
    let mut left: Vec<_> = fs::read_dir(logs.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, [".try-file", ".try-mine", "a-run"]);
    let error = try_logs(std::path::Path::new("/proc/none"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("cannot keep event logs in /proc/none: "),
        "{error}"
    );
}
