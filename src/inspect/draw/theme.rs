//! Colours of static pictures, light and dark.
//!
//! Those of M. Okabe and K. Ito (2002), as in the figures; where one has too little contrast with the ground, a
//! darker or lighter shade of it. Text has a contrast of at least 4.5 to 1, marks and lines of at least 3 to 1
//! (WCAG 2.2, AA). The viewer's style sheet has the same ones.

use std::str::FromStr;

/// A set of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white: for paper.
    #[default]
    Light,
    /// Light on black: for screens and slides.
    Dark,
}

/// Colours as CSS writes them.
#[derive(Debug)]
pub(super) struct Colours {
    pub(super) ground: &'static str,
    pub(super) ink: &'static str,
    /// Text of less weight.
    pub(super) soft: &'static str,
    /// Lines that only guide the eye.
    pub(super) grid: &'static str,
    pub(super) processes: [&'static str; 8],
    pub(super) past: &'static str,
    pub(super) future: &'static str,
    pub(super) concurrent: &'static str,
}

const LIGHT: Colours = Colours {
    ground: "#ffffff",
    ink: "#1f2328",
    soft: "#57606a",
    grid: "#e4e7eb",
    processes: [
        "#0072b2", "#d55e00", "#009e73", "#b8568a", "#b07900", "#2b88be", "#3d434a", "#857c00",
    ],
    past: "#0072b2",
    future: "#d55e00",
    concurrent: "#7d868f",
};

const DARK: Colours = Colours {
    ground: "#12161b",
    ink: "#e6e9ed",
    soft: "#a3adb8",
    grid: "#2a3038",
    processes: [
        "#4fa8de", "#f0803c", "#2fc79a", "#de9bc2", "#f2b233", "#8fd0f5", "#c9ced4", "#d8cf4a",
    ],
    past: "#4fa8de",
    future: "#f0803c",
    concurrent: "#87919c",
};

impl Theme {
    pub(super) fn colours(self) -> &'static Colours {
        match self {
            Self::Light => &LIGHT,
            Self::Dark => &DARK,
        }
    }
}

impl FromStr for Theme {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "light" => Ok(Self::Light),
            "dark" => Ok(Self::Dark),
            _ => Err(format!("`{text}` is no theme: write light or dark")),
        }
    }
}

impl Colours {
    /// The colour of a row; rows beyond the eighth begin again, their labels tell them apart.
    pub(super) fn row(&self, row: usize) -> &'static str {
        self.processes
            .get(row % self.processes.len())
            .copied()
            .unwrap_or(self.ink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: &str) -> f64 {
        let channel = |place: usize| {
            let value = f64::from(u8::from_str_radix(&colour[place..place + 2], 16).unwrap()) / 255.0;
            if value <= 0.03928 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn contrasts_are_enough_for_text_and_for_marks() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
        for theme in [Theme::Light, Theme::Dark] {
            let colours = theme.colours();
            for text in [colours.ink, colours.soft] {
                assert!(contrast(text, colours.ground) >= 4.5, "{theme:?} {text}");
            }
            let relations = [colours.past, colours.future, colours.concurrent];
            for mark in colours.processes.iter().chain(&relations) {
                assert!(contrast(mark, colours.ground) >= 3.0, "{theme:?} {mark}");
            }
        }
    }
}
