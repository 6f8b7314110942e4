//! Round numbers for an axis: steps of 1, 2 or 5 times a power of ten.

/// A tick: where, and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

/// The ticks between two values, at most `count` and a few of them; `unit` values make one of the label.
/// `whole`: a step is at least one.
pub(super) fn ticks(from: f64, until: f64, count: usize, unit: f64, whole: Whole) -> Vec<Tick> {
    let (from, until) = (from / unit, until / unit);
    let least = (until - from) / f64::from(u32::try_from(count.max(1)).unwrap_or(1));
    // A range of nothing, or one that is no number, has no ticks.
    if !(least.is_finite() && least > 0.0) {
        return Vec::new();
    }
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * power);
    let step = match whole {
        Whole::Yes => step.max(1.0),
        Whole::No => step,
    };
    let decimals = decimals_of(step);
    let first = (from / step - 1e-9).ceil();
    (0..=count)
        .map(|place| (first + f64::from(u32::try_from(place).unwrap_or(0))) * step)
        .take_while(|value| *value <= until + step * 1e-9)
        .map(|value| Tick {
            value: value * unit,
            // `+ 0.0` makes of minus nothing nothing.
            label: format!("{:.decimals$}", value + 0.0),
        })
        .collect()
}

/// Whether only whole numbers are ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    Yes,
    No,
}

fn decimals_of(step: f64) -> usize {
    (0..9)
        .find(|decimals| {
            let scaled = step * 10_f64.powi(*decimals);
            (scaled - scaled.round()).abs() < 1e-6
        })
        .and_then(|decimals| usize::try_from(decimals).ok())
        .unwrap_or(9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: f64, until: f64, unit: f64, whole: Whole) -> Vec<String> {
        ticks(from, until, 10, unit, whole)
            .into_iter()
            .map(|tick| tick.label)
            .collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(
            labels(0.0, 10e6, 1e6, Whole::No).join(" "),
            "0 1 2 3 4 5 6 7 8 9 10"
        );
        assert_eq!(
            labels(3.1e6, 4.4e6, 1e6, Whole::No).join(" "),
            "3.2 3.4 3.6 3.8 4.0 4.2 4.4"
        );
        assert_eq!(labels(0.0, 3.0, 1.0, Whole::Yes).join(" "), "0 1 2 3");
        assert_eq!(labels(12_000_100.0, 12_000_400.0, 1e6, Whole::No)[0], "12.00010");
        assert_eq!(labels(0.0, 72_000.0, 1.0, Whole::Yes).last().unwrap(), "70000");
        for (from, until) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert_eq!(ticks(from, until, 10, 1.0, Whole::No), []);
        }
    }

    #[test]
    fn there_are_never_more_than_asked_for_and_never_too_few() {
        for power in -6..12 {
            for factor in [1.0, 1.3, 1.99, 2.0, 3.7, 5.01, 9.99] {
                let until = factor * 10_f64.powi(power);
                let count = ticks(0.0, until, 10, 1.0, Whole::No).len();
                assert!((5..=11).contains(&count), "{until}: {count}");
            }
        }
    }
}
