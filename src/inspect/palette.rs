//! The colours of figures, diagrams and pages, light and dark.
//!
//! Lines have the hues of M. Okabe and K. Ito (2002), which colour-blind readers tell apart, made darker or
//! lighter where they would not stand out from their background: three to one for lines, four and a half to
//! one for text (WCAG 2.2, 1.4.3 and 1.4.11). Lines are also told apart by their dashes.

use std::{fmt, str::FromStr};

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// What a figure or a page is drawn on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white: paper, projectors.
    #[default]
    Light,
    /// Light on nearly black.
    Dark,
}

/// Lines that have a colour of their own.
pub const COLOURS: usize = 8;

/// Part of the hottest colour in the coldest cell that is not empty: it is to be seen.
const HEAT_MIN: f64 = 0.08;

/// The dashes of lines, in pixels drawn and left out: the first is drawn through.
pub const DASHES: [&[u32]; 4] = [&[], &[9, 4], &[3, 3], &[12, 3, 3, 3]];

/// A theme's colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Behind everything.
    pub background: Rgb,
    /// Text and axes.
    pub ink: Rgb,
    /// Text of less weight.
    pub faint: Rgb,
    /// Lines that only guide the eye.
    pub grid: Rgb,
    /// Fully hot cells of a table of counts.
    pub heat: Rgb,
    /// What is wrong.
    pub bad: Rgb,
    /// What is right.
    pub good: Rgb,
    /// Of an event looked at: what happened before it.
    pub past: Rgb,
    /// What happened after it.
    pub future: Rgb,
    /// What did neither.
    pub concurrent: Rgb,
    /// Lines of machines.
    pub lines: [Rgb; COLOURS],
}

const LIGHT: Palette = Palette {
    background: Rgb(255, 255, 255),
    ink: Rgb(34, 38, 43),
    faint: Rgb(90, 98, 107),
    grid: Rgb(225, 228, 232),
    heat: Rgb(0, 114, 178),
    bad: Rgb(176, 36, 24),
    good: Rgb(0, 112, 82),
    past: Rgb(0, 114, 178),
    future: Rgb(213, 94, 0),
    concurrent: Rgb(125, 134, 143),
    lines: [
        Rgb(0, 114, 178),
        Rgb(213, 94, 0),
        Rgb(0, 158, 115),
        Rgb(204, 121, 167),
        Rgb(47, 143, 201),
        Rgb(184, 122, 0),
        Rgb(0, 0, 0),
        Rgb(138, 127, 0),
    ],
};

const DARK: Palette = Palette {
    background: Rgb(19, 23, 28),
    ink: Rgb(228, 232, 237),
    faint: Rgb(160, 168, 178),
    grid: Rgb(46, 53, 61),
    heat: Rgb(58, 143, 212),
    bad: Rgb(255, 138, 122),
    good: Rgb(64, 201, 158),
    past: Rgb(58, 143, 212),
    future: Rgb(230, 110, 30),
    concurrent: Rgb(135, 145, 156),
    lines: [
        Rgb(58, 143, 212),
        Rgb(230, 110, 30),
        Rgb(0, 179, 134),
        Rgb(204, 121, 167),
        Rgb(140, 208, 247),
        Rgb(230, 159, 0),
        Rgb(255, 255, 255),
        Rgb(240, 228, 66),
    ],
};

impl fmt::Display for Theme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Light => "light",
            Self::Dark => "dark",
        })
    }
}

impl FromStr for Theme {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "light" => Ok(Self::Light),
            "dark" => Ok(Self::Dark),
            _ => Err(format!("{text:?} is no theme: light or dark")),
        }
    }
}

impl Theme {
    /// Its colours.
    #[must_use]
    pub const fn palette(self) -> &'static Palette {
        match self {
            Self::Light => &LIGHT,
            Self::Dark => &DARK,
        }
    }
}

impl Palette {
    /// The colour of the machine shown at `place`, from 0.
    #[must_use]
    pub fn line(&self, place: usize) -> Rgb {
        let [first, ..] = self.lines;
        self.lines.get(place % COLOURS).copied().unwrap_or(first)
    }

    /// The colours of a cell of a table of counts, and of the number in it, where the largest count is `most`.
    #[must_use]
    pub fn heat_of(&self, count: u64, most: u64) -> (Rgb, Rgb) {
        if count == 0 {
            return (self.background, self.faint);
        }
        #[expect(clippy::cast_precision_loss, reason = "a colour has 256 steps")]
        let part = HEAT_MIN + (1.0 - HEAT_MIN) * count as f64 / most.max(count) as f64;
        let cell = self.heat.mixed(self.background, part);
        let (dark, light) = (Rgb(0, 0, 0), Rgb(255, 255, 255));
        let is_dark = cell.contrast(light) > cell.contrast(dark);
        (cell, if is_dark { light } else { dark })
    }
}

/// The dashes of the machine shown at `place`, from 0: machines of the same colour have different ones.
#[must_use]
pub fn dashes(place: usize) -> &'static [u32] {
    DASHES
        .get((place + place / DASHES.len() + place / COLOURS) % DASHES.len())
        .copied()
        .unwrap_or_default()
}

impl fmt::Display for Rgb {
    /// As SVG and CSS write it: `#0072B2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02X}{:02X}{:02X}", self.0, self.1, self.2)
    }
}

impl Rgb {
    /// As SVG and CSS write it: `#0072B2`.
    #[must_use]
    pub fn hex(self) -> String {
        self.to_string()
    }

    /// `part` (0 to 1) of this, the rest of `other`.
    #[must_use]
    pub fn mixed(self, other: Rgb, part: f64) -> Rgb {
        let mix = |a: u8, b: u8| {
            let mixed = f64::from(a) * part + f64::from(b) * (1.0 - part);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between two bytes there are bytes"
            )]
            let byte = mixed.round() as u8;
            byte
        };
        Rgb(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// How much it stands out from `other`: 1 (not at all) to 21, as WCAG 2.2 defines it.
    #[must_use]
    pub fn contrast(self, other: Rgb) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |byte: u8| {
            let value = f64::from(byte) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_stands_out_from_its_background() {
        for theme in [Theme::Light, Theme::Dark] {
            let palette = theme.palette();
            for text in [palette.ink, palette.faint, palette.bad, palette.good] {
                assert!(
                    text.contrast(palette.background) >= 4.5,
                    "{theme:?}: {}",
                    text.hex()
                );
            }
            let relations = [palette.past, palette.future, palette.concurrent];
            for line in palette.lines.into_iter().chain(relations) {
                assert!(
                    line.contrast(palette.background) >= 3.0,
                    "{theme:?}: {}",
                    line.hex()
                );
            }
        }
    }

    #[test]
    fn numbers_stand_out_from_their_heat() {
        for palette in [Theme::Light.palette(), Theme::Dark.palette()] {
            for count in 0..=100 {
                let (cell, ink) = palette.heat_of(count, 100);
                assert!(
                    ink.contrast(cell) >= 4.5,
                    "{count}: {} on {}",
                    ink.hex(),
                    cell.hex()
                );
            }
        }
    }

    #[test]
    fn no_two_of_twenty_four_lines_look_the_same() {
        let palette = Theme::Light.palette();
        let mut looks: Vec<(String, &[u32])> = (0..24)
            .map(|place| (palette.line(place).hex(), dashes(place)))
            .collect();
        looks.sort();
        looks.dedup();
        assert_eq!(looks.len(), 24);
    }

    #[test]
    fn contrast_is_what_the_recommendation_says() {
        let (black, white) = (Rgb(0, 0, 0), Rgb(255, 255, 255));
        assert!((black.contrast(white) - 21.0).abs() < 1e-9);
        assert!((white.contrast(white) - 1.0).abs() < 1e-9);
        assert_eq!(black.mixed(white, 0.5), Rgb(128, 128, 128));
        assert_eq!(Rgb(0, 114, 178).hex(), "#0072B2");
    }
}
