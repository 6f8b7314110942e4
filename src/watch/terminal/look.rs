//! How things look: characters and styles, with and without colour, in Unicode and in ASCII.
//!
//! Whatever a colour says, a character says too.

use ratatui::style::{Color, Modifier, Style};

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// With colours or without.
    pub palette: Palette,
    /// Which characters.
    pub letters: Letters,
}

/// With colours or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// The terminal's own sixteen.
    Sixteen,
    /// Bold, dim and reversed only.
    Plain,
}

/// Which characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// Lines, blocks and arrows of Unicode.
    Unicode,
    /// ASCII alone.
    Ascii,
}

/// What a piece of the screen means; later ones stand out more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Faint,
    Plain,
    Internal,
    Receive,
    Send,
    UnderWay,
    Good,
    Note,
    Bad,
    Strong,
    Bar,
}

/// Sides of a cell that a line leads to.
pub(super) const UP: u8 = 1;
pub(super) const DOWN: u8 = 2;
pub(super) const LEFT: u8 = 4;
pub(super) const RIGHT: u8 = 8;

impl Look {
    pub(super) fn style(self, role: Role) -> Style {
        let style = Style::default();
        if self.palette == Palette::Plain {
            return match role {
                Role::Faint | Role::Internal => style.add_modifier(Modifier::DIM),
                Role::Plain | Role::Receive | Role::Send | Role::Good => style,
                Role::UnderWay | Role::Note | Role::Bad | Role::Strong => style.add_modifier(Modifier::BOLD),
                Role::Bar => style.add_modifier(Modifier::REVERSED),
            };
        }
        match role {
            // Dim, not grey: some themes make that grey their background.
            Role::Faint | Role::Internal => style.add_modifier(Modifier::DIM),
            Role::Plain => style,
            Role::Receive => style.fg(Color::Cyan),
            Role::Send => style.fg(Color::Yellow),
            Role::UnderWay => style.fg(Color::Yellow).add_modifier(Modifier::BOLD),
            Role::Good => style.fg(Color::Green),
            Role::Note => style.fg(Color::Magenta).add_modifier(Modifier::BOLD),
            Role::Bad => style.fg(Color::Red).add_modifier(Modifier::BOLD),
            Role::Strong => style.add_modifier(Modifier::BOLD),
            Role::Bar => style.add_modifier(Modifier::REVERSED),
        }
    }

    /// One of two texts.
    fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self.letters {
            Letters::Unicode => unicode,
            Letters::Ascii => ascii,
        }
    }

    pub(super) fn internal(self) -> &'static str {
        self.pick("·", ".")
    }

    /// A cell of a full bar.
    pub(super) fn full(self) -> &'static str {
        self.pick("█", "#")
    }

    /// A cell of an empty bar.
    pub(super) fn empty(self) -> &'static str {
        self.pick("░", ".")
    }

    /// A message that waits.
    pub(super) fn waiting(self) -> &'static str {
        self.pick("▮", "#")
    }

    /// A message that was sent, of which no log says yet that it was taken or waits.
    pub(super) fn sent(self) -> &'static str {
        self.pick("▯", "o")
    }

    pub(super) fn selected(self) -> &'static str {
        self.pick("▶", "*")
    }

    pub(super) fn to(self) -> &'static str {
        self.pick("→", ">")
    }

    /// A message on its way, at the right edge.
    pub(super) fn arrow_head(self) -> &'static str {
        self.pick("▸", ">")
    }

    pub(super) fn lost(self) -> &'static str {
        self.pick("×", "x")
    }

    pub(super) fn tick_mark(self) -> &'static str {
        self.pick("╵", "'")
    }

    pub(super) fn rule(self) -> &'static str {
        self.pick("─", "-")
    }

    pub(super) fn ellipsis(self) -> &'static str {
        self.pick("…", "~")
    }

    /// Text of the library, which may hold characters beyond ASCII.
    pub(super) fn text(self, text: &str) -> String {
        match self.letters {
            Letters::Unicode => text.to_owned(),
            Letters::Ascii => text.replace('…', "...").replace('→', ">"),
        }
    }

    /// Several events in one column: how high, beside the fullest column there is.
    pub(super) fn dense(self, events: u32, most: u32) -> &'static str {
        const UNICODE: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
        const ASCII: [&str; 8] = [":", ":", "+", "+", "%", "%", "#", "#"];
        let full = u64::from(most.max(8));
        let level = (u64::from(events) * 8).div_ceil(full).clamp(1, 8) - 1;
        let level = usize::try_from(level).unwrap_or(0);
        let steps = match self.letters {
            Letters::Unicode => UNICODE,
            Letters::Ascii => ASCII,
        };
        steps.get(level).copied().unwrap_or(" ")
    }

    /// A line that leads to these sides.
    pub(super) fn line(self, sides: u8) -> &'static str {
        const UNICODE: [&str; 16] = [
            " ", "╵", "╷", "│", "╴", "╯", "╮", "┤", "╶", "╰", "╭", "├", "─", "┴", "┬", "┼",
        ];
        let unicode = UNICODE.get(usize::from(sides)).copied().unwrap_or(" ");
        let ascii = match (sides & (UP | DOWN) != 0, sides & (LEFT | RIGHT) != 0) {
            (false, false) => " ",
            (true, false) => "|",
            (false, true) => "-",
            (true, true) => "+",
        };
        self.pick(unicode, ascii)
    }
}
