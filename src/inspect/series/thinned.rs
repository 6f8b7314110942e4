//! A line of a figure that keeps its extremes and forgets the rest, while it is read.

/// Points a line may have; beyond it, only the extremes of equal stretches of time are kept.
pub const POINTS_MAX: usize = 2000;

/// Each stretch of time keeps its lowest and its highest point.
const STRETCHES_MAX: usize = POINTS_MAX / 2;

/// A line of at most [`POINTS_MAX`] points, however many are added.
#[derive(Clone, Debug, Default)]
pub struct Thinned {
    /// All points, until they are too many.
    whole: Vec<(f64, f64)>,
    /// The extremes of each stretch of `stretch` seconds, from then on.
    extremes: Vec<Extremes>,
    stretch: f64,
}

#[derive(Clone, Copy, Debug)]
struct Extremes {
    index: f64,
    low: (f64, f64),
    high: (f64, f64),
}

impl Thinned {
    #[expect(clippy::cast_precision_loss, reason = "a figure has a thousand pixels")]
    pub(super) fn push(&mut self, seconds: f64, value: f64) {
        let point = (seconds, value);
        if self.extremes.is_empty() {
            self.whole.push(point);
            if self.whole.len() > POINTS_MAX {
                let span = seconds.max(1e-6);
                self.stretch = 2.0 * span / STRETCHES_MAX as f64;
                for point in std::mem::take(&mut self.whole) {
                    self.stretch_of(point);
                }
            }
            return;
        }
        self.stretch_of(point);
        if self.extremes.len() > STRETCHES_MAX {
            self.stretch *= 2.0;
            for extremes in std::mem::take(&mut self.extremes) {
                self.stretch_of(extremes.low);
                self.stretch_of(extremes.high);
            }
        }
    }

    fn stretch_of(&mut self, point: (f64, f64)) {
        let index = (point.0 / self.stretch).floor();
        match self.extremes.last_mut() {
            // A skewed or broken log may step back in time: its point then joins the last stretch.
            Some(last) if last.index >= index => {
                if point.1 < last.low.1 {
                    last.low = point;
                }
                if point.1 >= last.high.1 {
                    last.high = point;
                }
            }
            _ => self.extremes.push(Extremes {
                index,
                low: point,
                high: point,
            }),
        }
    }

    /// The points in the order of their times.
    #[must_use]
    pub fn points(&self) -> Vec<(f64, f64)> {
        let mut points = self.whole.clone();
        for Extremes { low, high, .. } in &self.extremes {
            let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
            points.push(*first);
            if first != second {
                points.push(*second);
            }
        }
        points
    }

    /// Whether it has no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.extremes.is_empty()
    }

    /// Whether points were left out.
    #[must_use]
    pub fn is_thinned(&self) -> bool {
        !self.extremes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_keeps_its_extremes_and_its_limit() {
        let mut line = Thinned::default();
        for n in 0..1_000_000_u32 {
            let value = if n == 123_456 { 5000 } else { n % 10 };
            line.push(f64::from(n) / 100.0, f64::from(value));
        }
        let points = line.points();
        assert!(points.len() <= POINTS_MAX + 2, "{}", points.len());
        assert!(points.contains(&(1234.56, 5000.0)));
        assert!(points.is_sorted_by(|a, b| a.0 <= b.0));
        assert!(line.is_thinned());
    }

    #[test]
    fn a_short_line_is_left_as_it_is() {
        let mut line = Thinned::default();
        line.push(0.5, 1.0);
        line.push(0.7, 9.0);
        assert_eq!(line.points(), [(0.5, 1.0), (0.7, 9.0)]);
        assert!(!line.is_thinned());
    }
}
