//! Which row of a screen holds what.

/// Smallest screen: columns and rows. The help page just fits.
pub(super) const WIDTH_MIN: u16 = 76;
pub(super) const HEIGHT_MIN: u16 = 20;

/// Rows that are always there: two of the header, the axis, what is under way, the pane's title, the footer.
const FIXED: u16 = 6;

/// Rows of the pane of lines at least, with rows between the lanes for messages: 4, 3, 2, 1 of them.
const PANE_MIN: [(u16, u16); 4] = [(4, 16), (3, 12), (2, 8), (1, 4)];

/// The same without.
const PANE_MIN_CLOSE: u16 = 4;

/// How much room a lane has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneForm {
    /// A row of figures, a strip, and rows for messages to the next lane.
    Roomy { gap: u16 },
    /// A row of figures and a strip.
    Pair,
    /// Figures and strip in one row.
    Line,
}

/// The rows of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) form: LaneForm,
    /// How many lanes are shown.
    pub(super) lanes: usize,
    pub(super) lanes_y: u16,
    pub(super) under_way_y: u16,
    pub(super) pane_y: u16,
    pub(super) pane_rows: u16,
    pub(super) footer_y: u16,
}

impl LaneForm {
    /// Rows from one lane to the next.
    pub(super) fn height(self) -> u16 {
        match self {
            LaneForm::Roomy { gap } => 2 + gap,
            LaneForm::Pair => 2,
            LaneForm::Line => 1,
        }
    }
}

impl Plan {
    /// Rows for `machines` lanes on a screen of `height` rows, at least [`HEIGHT_MIN`].
    pub(super) fn new(height: u16, machines: usize) -> Self {
        let machines = u16::try_from(machines).unwrap_or(u16::MAX).max(1);
        let rows = |form: LaneForm| match form {
            LaneForm::Roomy { gap } => machines.saturating_mul(2 + gap).saturating_sub(gap),
            LaneForm::Pair => machines.saturating_mul(2),
            LaneForm::Line => machines,
        };
        let fits = |form: LaneForm, pane: u16| rows(form).saturating_add(FIXED + pane) <= height;
        let roomy = PANE_MIN
            .into_iter()
            .map(|(gap, pane)| (LaneForm::Roomy { gap }, pane))
            .chain([(LaneForm::Pair, PANE_MIN_CLOSE)])
            .find(|(form, pane)| fits(*form, *pane));
        let form = roomy.map_or(LaneForm::Line, |(form, _)| form);
        let pane_min = PANE_MIN_CLOSE.max(height / 4);
        let lanes_rows = match form {
            LaneForm::Line => machines.min(height.saturating_sub(FIXED + pane_min)),
            other => rows(other),
        };
        let lanes = match form {
            LaneForm::Line => lanes_rows,
            LaneForm::Roomy { .. } | LaneForm::Pair => machines,
        };
        let lanes_y = 3;
        let under_way_y = lanes_y + lanes_rows;
        Self {
            form,
            lanes: usize::from(lanes),
            lanes_y,
            under_way_y,
            pane_y: under_way_y + 1,
            pane_rows: height.saturating_sub(FIXED + lanes_rows),
            footer_y: height.saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_used_once_on_every_screen() {
        for height in HEIGHT_MIN..120 {
            for machines in [0, 1, 2, 3, 4, 7, 10, 30, 100, 10_000] {
                let plan = Plan::new(height, machines);
                let what = format!("{height} rows, {machines} machines: {plan:?}");
                let shown = u16::try_from(plan.lanes).unwrap();
                let used = match plan.form {
                    LaneForm::Roomy { gap } => shown * (2 + gap) - gap,
                    form => shown * form.height(),
                };
                assert_eq!(plan.under_way_y, plan.lanes_y + used, "{what}");
                assert_eq!(plan.pane_y + 1 + plan.pane_rows, plan.footer_y, "{what}");
                assert_eq!(plan.footer_y, height - 1, "{what}");
                assert!(plan.pane_rows >= PANE_MIN_CLOSE && plan.lanes > 0, "{what}");
                if plan.form != LaneForm::Line {
                    assert_eq!(plan.lanes, machines.max(1), "{what}");
                }
            }
        }
    }
}
