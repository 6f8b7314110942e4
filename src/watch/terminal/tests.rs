//! Pictures as text, without a terminal, and what keys do.

use std::fs;

use expect_test::{Expect, expect};
use ratatui::{
    Terminal as Screen,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    style::Color,
};

use super::{screen::Subject, view::Layer, *};
use crate::{
    control::Command,
    trace::WallTime,
    units::MachineId,
    watch::{Deed, Lag, Scene},
};

const HEADER: &str = "# clocklab-log 1\n# machine=ID machines=COUNT rate=RATE draw=10 clock=lamport seed=7 run=demo \
                      started=2026-11-20T23:16:01.000000Z\n";

const LOGS: [(&str, &str); 3] = [
    (
        "6",
        "2026-11-20T23:16:01.100000Z internal tick=1 clock=1
2026-11-20T23:16:01.266666Z send tick=2 clock=2 to=1
2026-11-20T23:16:01.433333Z send tick=3 clock=3 to=1,2
2026-11-20T23:16:01.600000Z internal tick=4 clock=4
# fault=2026-11-20T23:16:01.700000Z id=7 kind=loss to=1,2 detail=50%
2026-11-20T23:16:01.766666Z send tick=5 clock=5 to=2 lost=2
2026-11-20T23:16:01.933333Z internal tick=6 clock=6
2026-11-20T23:16:02.100000Z receive tick=7 clock=7 from=1 sent=5 queue=0 waited_us=12000
2026-11-20T23:16:02.266666Z send tick=8 clock=8 to=2
2026-11-20T23:16:02.433333Z internal tick=9 clock=9
",
    ),
    (
        "4",
        "2026-11-20T23:16:01.200000Z internal tick=1 clock=1
2026-11-20T23:16:01.450000Z receive tick=2 clock=3 from=0 sent=2 queue=0 waited_us=183000
2026-11-20T23:16:01.700000Z receive tick=3 clock=4 from=0 sent=3 queue=0 waited_us=266000
2026-11-20T23:16:01.950000Z send tick=4 clock=5 to=0
2026-11-20T23:16:02.200000Z send tick=5 clock=6 to=2
# paused=2026-11-20T23:16:02.300000Z
",
    ),
    (
        "1",
        "2026-11-20T23:16:01.500000Z receive tick=1 clock=4 from=0 sent=3 queue=0 waited_us=66000
# link-lost=2026-11-20T23:16:02.400000Z peer=1
",
    ),
];

/// 2026-11-20T23:16:03.6Z, a second and some after the last line.
const NOW: WallTime = WallTime(1_795_216_563_600_000);

const PLAIN: Look = Look {
    palette: Palette::Plain,
    letters: Letters::Unicode,
};

fn eyes_on(logs: &[(&str, &str)]) -> Eyes {
    let folder = tempfile::tempdir().unwrap();
    for (id, (rate, lines)) in logs.iter().enumerate() {
        let header = HEADER
            .replace("ID", &id.to_string())
            .replace("COUNT", &logs.len().to_string())
            .replace("RATE", rate);
        let path = folder.path().join(format!("machine-{id}.log"));
        fs::write(path, header + lines).unwrap();
    }
    let mut eyes = Eyes::new(folder.path());
    while eyes.look().unwrap() != Seen::Nothing {}
    eyes
}

fn subject(scene: &Scene) -> Subject<'_> {
    Subject {
        scene,
        lag: Lag {
            us: Some(12_000),
            us_max: 12_000,
            caught_up: true,
        },
        folder: std::path::Path::new("logs/demo"),
        has_newer: false,
        now: NOW,
    }
}

/// The picture through a real ratatui terminal, row by row.
fn rows(scene: &Scene, view: &mut View, look: Look, (width, height): (u16, u16)) -> Screen<TestBackend> {
    let mut screen = Screen::new(TestBackend::new(width, height)).unwrap();
    screen
        .draw(|frame| paint(&subject(scene), view, look, frame.buffer_mut()))
        .unwrap();
    screen
}

fn text(screen: &Screen<TestBackend>) -> String {
    let cells = screen.backend().buffer();
    cells
        .content
        .chunks(usize::from(cells.area.width))
        .map(|row| {
            let row: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
            row.trim_end().to_owned() + "\n"
        })
        .collect()
}

fn look_at(size: (u16, u16), look: Look, picture: &Expect) {
    let eyes = eyes_on(&LOGS);
    picture.assert_eq(&text(&rows(eyes.scene(), &mut View::default(), look, size)));
}

fn press(view: &mut View, scene: &Scene, code: KeyCode) -> Option<Wish> {
    view.key(KeyEvent::new(code, KeyModifiers::NONE), scene, NOW)
}

fn type_in(view: &mut View, scene: &Scene, letters: &str) -> Option<Wish> {
    letters
        .chars()
        .filter_map(|letter| press(view, scene, KeyCode::Char(letter)))
        .last()
}

#[test]
fn a_picture_of_80_by_24() {
    look_at(
        (80, 24),
        PLAIN,
        &expect![[r#"
             demo  running  2.4 s  1 events/s  behind 12 ms  15 events
             faults: 7 loss 50% 0→1,2
                                                              ╵0 s        ╵1 s        ╵2 s
            ▶0    6/s  clock      9  drift     0 ██████  queue    0            loss
                                                               · >1>*· F · <1>2·
                                                                 ╰─┼╮      │
                                                                   ╰┼──╮  ╭╯
             1    4/s  clock      6  drift     3 ████░░  queue    0            paused
                                                                 ·  <0 <0 >0 >P
                                                                             ╰─────────────▸

             2    1/s  clock      4  drift     5 ██░░░░  queue    2 ▯▯         lost 1
                                                                    <0         L
             2 messages under way or waiting  0→2 (8)  1→2 (6)
            ── last events ─────────────────────────────────────────────────────────────────
                   0.933 ▶ 0:6 internal
                   0.950   1:5 send to 0
                   1.100 ▶ 0:7 receive 1:5, waited 12 ms
                   1.200   1:6 send to 2
                   1.266 ▶ 0:8 send to 2
                   1.300   1 paused
                   1.400   2 link to 1 is lost
                   1.433 ▶ 0:9 internal
             q quit  p freeze  ←→ back  ↑↓ machine  / filter  x by event  f fault  ? help
        "#]],
    );
}

#[test]
fn a_picture_of_120_by_40_in_ascii() {
    let look = Look {
        letters: Letters::Ascii,
        ..PLAIN
    };
    look_at(
        (120, 40),
        look,
        &expect![[r#"
             demo  running  2.4 s  1 events/s  behind 12 ms  15 events
             faults: 7 loss 50% 0>1,2
                                                                                                      '0 s        '1 s        '2 s
            *0    6/s  clock      9  drift     0 ############  beside rate    +1  queue    0                      loss
                                                                                                       . >1>*. F . <1>2.
                                                                                                         | |       |
                                                                                                         | |      ++
                                                                                                         +-++     |
                                                                                                           ++--+  |
             1    4/s  clock      6  drift     3 ########....  beside rate    +1  queue    0                      paused
                                                                                                         .  <0 <0 >0 >P
                                                                                                                     |
                                                                                                                     |
                                                                                                                     +------------->

             2    1/s  clock      4  drift     5 #####.......  beside rate    +3  queue    2 oo                   lost 1
                                                                                                            <0         L
             2 messages under way or waiting  0>2 (8)  1>2 (6)
            -- last events ---------------------------------------------------------------------------------------------------------


                   0.100 * 0:1 internal
                   0.200     1:1 internal
                   0.266 * 0:2 send to 1
                   0.433 * 0:3 send to 1,2
                   0.450     1:3 receive 0:2, waited 183 ms
                   0.500       2:4 receive 0:3, waited 66 ms
                   0.600 * 0:4 internal
                   0.700 * 0 fault 7 begins: loss to 1,2 50%
                   0.700     1:4 receive 0:3, waited 266 ms
                   0.766 * 0:5 send to 2, to 2 lost
                   0.933 * 0:6 internal
                   0.950     1:5 send to 0
                   1.100 * 0:7 receive 1:5, waited 12 ms
                   1.200     1:6 send to 2
                   1.266 * 0:8 send to 2
                   1.300     1 paused
                   1.400       2 link to 1 is lost
                   1.433 * 0:9 internal
             q quit  p freeze  arrows: back, machine  / filter  x by event  + - zoom  f fault  ? help
        "#]],
    );
}

#[test]
fn a_window_that_is_too_small_says_so() {
    look_at(
        (40, 12),
        PLAIN,
        &expect![[r#"
        This window has 40 x 12 characters.
        The view needs 76 x 20: make it larger.
        q quits.









    "#]],
    );
}

#[test]
fn a_run_that_is_not_there_yet_is_waited_for() {
    let mut view = View::default();
    let screen = rows(&Scene::default(), &mut view, PLAIN, (80, 24));
    let text = text(&screen);
    assert!(
        text.contains("no log in logs/demo yet") && text.contains("clocklab run"),
        "{text}"
    );
}

#[test]
fn without_colour_there_is_none_and_ascii_is_ascii() {
    let eyes = eyes_on(&LOGS);
    for layer in [Layer::None, Layer::Help, Layer::Faults, Layer::Filter] {
        let mut view = View::default();
        view.layer = layer;
        let look = Look {
            palette: Palette::Plain,
            letters: Letters::Ascii,
        };
        let screen = rows(eyes.scene(), &mut view, look, (100, 30));
        for cell in &screen.backend().buffer().content {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
            assert!(cell.symbol().is_ascii(), "{layer:?}: {}", cell.symbol());
        }
    }
    let colours = Look {
        palette: Palette::Sixteen,
        letters: Letters::Unicode,
    };
    let screen = rows(eyes.scene(), &mut View::default(), colours, (100, 30));
    let cells = &screen.backend().buffer().content;
    assert!(cells.iter().any(|cell| cell.fg == Color::Cyan));
}

#[test]
fn help_and_fault_menu_fit_the_smallest_window() {
    let eyes = eyes_on(&LOGS);
    for (key, last) in [('?', "Any key closes this."), ('f', "any other key: nothing")] {
        let mut view = View::default();
        press(&mut view, eyes.scene(), KeyCode::Char(key));
        let size = (plan::WIDTH_MIN, plan::HEIGHT_MIN);
        let text = text(&rows(eyes.scene(), &mut view, PLAIN, size));
        assert!(text.contains(last), "{text}");
    }
}

#[test]
fn a_hundred_machines_scroll_with_the_selection() {
    let logs: Vec<(&str, &str)> = vec![("4", LOGS[0].1); 100];
    let eyes = eyes_on(&logs);
    let mut view = View::default();
    let first = text(&rows(eyes.scene(), &mut view, PLAIN, (80, 24)));
    assert!(first.contains("machines 1 to 12 of 100"), "{first}");
    for _ in 0..40 {
        press(&mut view, eyes.scene(), KeyCode::Down);
    }
    let later = text(&rows(eyes.scene(), &mut view, PLAIN, (80, 24)));
    // A column for each event of the lanes that are shown, and for no other.
    press(&mut view, eyes.scene(), KeyCode::Char('x'));
    let events = text(&rows(eyes.scene(), &mut view, PLAIN, (80, 24)));
    for lane in events.lines().skip(3).take(12) {
        assert!(lane.ends_with('·'), "{events}");
    }
    assert!(
        later.contains("machines 30 to 41 of 100") && later.contains("▶40"),
        "{later}"
    );
}

#[test]
fn looking_back_shows_figures_of_then() {
    let eyes = eyes_on(&LOGS);
    let scene = eyes.scene();
    let mut view = View::default();
    rows(scene, &mut view, PLAIN, (80, 24));
    press(&mut view, scene, KeyCode::Char('p'));
    // 1.5 s after the start.
    view.frozen = Some(WallTime(NOW.0 - 1_100_000));
    let then = text(&rows(scene, &mut view, PLAIN, (80, 24)));
    assert!(then.contains("FROZEN") && then.contains("clock      9"), "{then}");
    assert!(!then.contains("silent"), "{then}");
    view.frozen = Some(WallTime(NOW.0 - 2_150_000));
    let then = text(&rows(scene, &mut view, PLAIN, (80, 24)));
    assert!(then.contains("clock      3") && !then.contains("loss"), "{then}");
    press(&mut view, scene, KeyCode::End);
    assert_eq!(view.frozen, None);
}

#[test]
fn keys_walk_through_history_and_back_to_now() {
    let eyes = eyes_on(&LOGS);
    let scene = eyes.scene();
    for axis in ['t', 'x'] {
        let mut view = View::default();
        press(&mut view, scene, KeyCode::Char(axis));
        rows(scene, &mut view, PLAIN, (80, 24));
        let mut before = view.edge(scene, NOW);
        for _ in 0..4 {
            press(&mut view, scene, KeyCode::Left);
            let edge = view.edge(scene, NOW);
            assert!(edge < before, "{axis}: {edge:?} is not before {before:?}");
            before = edge;
        }
        for _ in 0..30 {
            press(&mut view, scene, KeyCode::Right);
        }
        assert_eq!(view.frozen, None, "{axis}");
        press(&mut view, scene, KeyCode::Home);
        rows(scene, &mut view, PLAIN, (80, 24));
        press(&mut view, scene, KeyCode::PageUp);
        assert!(view.frozen >= scene.started());
        press(&mut view, scene, KeyCode::PageDown);
        press(&mut view, scene, KeyCode::PageDown);
        press(&mut view, scene, KeyCode::End);
        assert_eq!(view.edge(scene, NOW), scene.edge(NOW));
    }
}

#[test]
fn a_filter_is_typed_kept_and_cleared() {
    let eyes = eyes_on(&LOGS);
    let scene = eyes.scene();
    let mut view = View::default();
    assert_eq!(type_in(&mut view, scene, "/1 recq"), None, "q is a letter here");
    press(&mut view, scene, KeyCode::Backspace);
    press(&mut view, scene, KeyCode::Enter);
    let shown = text(&rows(scene, &mut view, PLAIN, (80, 24)));
    let pane: Vec<&str> = shown
        .lines()
        .skip_while(|line| !line.contains("last events"))
        .collect();
    assert!(pane[0].contains("\"1 rec\""), "{shown}");
    let lines: Vec<&str> = pane[1..]
        .iter()
        .copied()
        .filter(|line| line.contains(" 1:"))
        .collect();
    assert_eq!(lines.len(), 2, "{shown}");
    assert!(lines.iter().all(|line| line.contains("receive")), "{shown}");
    press(&mut view, scene, KeyCode::Esc);
    assert_eq!(view.filter_text, "");
}

#[test]
fn letters_ask_for_deeds() {
    let eyes = eyes_on(&LOGS);
    let scene = eyes.scene();
    let tell = |machine, command| Some(Wish::Act(Deed::Tell(machine, command)));
    let one = Some(MachineId(1));
    for (letters, wish) in [
        ("q", Some(Wish::Quit)),
        ("n", Some(Wish::Newer)),
        ("P", tell(None, Command::Pause)),
        ("r", tell(None, Command::Resume)),
        ("S", tell(None, Command::Step { ticks: 1 })),
        ("js", tell(one, Command::Step { ticks: 1 })),
        ("jf5", tell(None, Command::Mend { id: None })),
        ("f9", None),
        ("?q", None),
    ] {
        assert_eq!(type_in(&mut View::default(), scene, letters), wish, "{letters}");
    }
    for (letters, words) in [
        ("jf1", "partition 1 / 0,2 for 5s ..."),
        ("jf2", "delay 1 to 0,2 constant:200ms for 10s ..."),
        ("f3", "pause 0 for 3s ..."),
        ("jjf4", "restart 2 ..."),
    ] {
        let Some(Wish::Act(deed)) = type_in(&mut View::default(), scene, letters) else {
            panic!("{letters} asks for nothing");
        };
        assert_eq!(asked(&deed), words);
    }
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(View::default().key(interrupt, scene, NOW), Some(Wish::Quit));
}

#[test]
fn a_long_answer_is_shown_to_its_end() {
    let eyes = eyes_on(&LOGS);
    let mut view = View::default();
    let answer = "machine 1 at 127.0.0.1:17101 cannot be reached (Connection refused): the run has ended, or this \
                  machine has";
    view.say(answer.to_owned(), Tone::Bad, NOW);
    let shown = text(&rows(eyes.scene(), &mut view, PLAIN, (80, 24)));
    let last: Vec<&str> = shown.lines().skip(22).map(str::trim).collect();
    assert_eq!(last.join(" "), answer);
    let later = Subject {
        now: WallTime(NOW.0 + 60_000_000),
        ..subject(eyes.scene())
    };
    assert_eq!(view.said(later.now), None);
}

#[test]
fn no_key_on_an_empty_scene_panics() {
    let scene = Scene::default();
    let mut view = View::default();
    for code in [
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Home,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::End,
        KeyCode::Char('s'),
        KeyCode::Char('f'),
        KeyCode::Char('1'),
        KeyCode::Char('x'),
        KeyCode::Char('+'),
    ] {
        press(&mut view, &scene, code);
        rows(&scene, &mut view, PLAIN, (80, 24));
    }
    for size in [(1, 1), (300, 1), (1, 100), (200, 60), (77, 21)] {
        rows(&scene, &mut view, PLAIN, size);
        rows(eyes_on(&LOGS).scene(), &mut view, PLAIN, size);
    }
}

#[test]
fn a_panic_on_any_thread_ends_the_view() {
    let panicked = note_panics();
    assert!(!panicked.load(Ordering::SeqCst));
    let thread = std::thread::Builder::new().spawn(|| panic!("as it should"));
    assert!(thread.unwrap().join().is_err());
    assert!(panicked.load(Ordering::SeqCst));
}

#[test]
fn a_filter_that_lets_nothing_through_says_so() {
    let eyes = eyes_on(&LOGS);
    let scene = eyes.scene();
    let mut view = View::default();
    type_in(&mut view, scene, "/waited>0.2");
    press(&mut view, scene, KeyCode::Enter);
    let shown = text(&rows(scene, &mut view, PLAIN, (80, 24)));
    assert!(
        shown.contains("1:4 receive 0:3, waited 266 ms") && !shown.contains("0:7 receive"),
        "{shown}"
    );
    type_in(&mut view, scene, "/>");
    let shown = text(&rows(scene, &mut view, PLAIN, (80, 24)));
    assert!(
        shown.contains("no line passes \"waited>0.2>\"; ? says what a filter takes"),
        "{shown}"
    );
}
