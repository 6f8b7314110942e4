//! What lies over the picture: help and the fault menu.

use super::{
    look::{DOWN, LEFT, Letters, RIGHT, Role, UP},
    pen::Pen,
    view::View,
};
use crate::watch::scene::Scene;

const HELP: &str = "\
q  quit                                 p, space  freeze, follow again
left, right        look back, look on   x   a column an event, or by time
PageUp, PageDown   a whole view         + - 0   zoom in, out, as it was
Home, End          oldest, newest       n   go to the newer run
up, down           choose a machine     f   break something
P  pause all    r  resume all    S  step all    s  step the chosen one

/  shows the lines below that pass every word: 0,2 (machines) 0:17 send
   fault queue>5 clock>=100 tick=3 line<40 time<3 waited>0.5 (seconds)

.  internal event   >1 send to 1   >* to several   x1 lost on the way
<0 receive from 0   several in one column: : + % #
F  fault begins     M  mended      L  link lost     U  link up again
R  starts again     P  paused      r  ticks by time again
J  clock jumps      T  late: ticks skipped          E  ended
Queue: # waits, o was sent and may be under way.
Drift: steps behind the foremost clock. Behind: how old the oldest new
line was when this view read it.               Any key closes this.";

/// The keys and the signs.
pub(super) fn help(pen: &mut Pen<'_>) {
    let look = pen.look;
    let text = match look.letters {
        Letters::Ascii => HELP.to_owned(),
        Letters::Unicode => HELP
            .replace(".  internal", "·  internal")
            .replace("x1 lost", "×1 lost")
            .replace(": + % #", "▂ ▄ ▆ █")
            .replace("Queue: # waits, o was", "Queue: ▮ waits, ▯ was"),
    };
    frame(" help ", &text, pen);
}

/// What can be broken.
pub(super) fn faults(view: &View, scene: &Scene, pen: &mut Pen<'_>) {
    let offers = view.offers(scene);
    let mut text: Vec<String> = offers
        .iter()
        .map(|offer| format!("{}  {}", offer.key, offer.text))
        .collect();
    text.push("any other key: nothing".to_owned());
    frame(" break something ", &text.join("\n"), pen);
}

/// A text in a frame in the middle of the screen.
fn frame(title: &str, text: &str, pen: &mut Pen<'_>) {
    let area = pen.area();
    let lines: Vec<&str> = text.lines().collect();
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let width = u16::try_from(longest + 4).unwrap_or(area.width).min(area.width);
    let height = u16::try_from(lines.len() + 2)
        .unwrap_or(area.height)
        .min(area.height);
    let (x, y) = ((area.width - width) / 2, (area.height - height) / 2);
    let look = pen.look;
    for row in y..y + height {
        for column in x..x + width {
            let (top, bottom) = (row == y, row + 1 == y + height);
            let (left, right) = (column == x, column + 1 == x + width);
            let sides = [
                (UP, (left || right) && !top),
                (DOWN, (left || right) && !bottom),
                (LEFT, (top || bottom) && !left),
                (RIGHT, (top || bottom) && !right),
            ];
            let sides = sides.iter().filter(|(_, leads)| *leads);
            let symbol = look.line(sides.map(|(side, _)| side).sum());
            pen.cell(column, row, symbol, Role::Plain);
        }
    }
    pen.text(x + 2, y, x + width, title, Role::Strong);
    for (row, line) in (y + 1..y + height - 1).zip(lines) {
        pen.text(x + 2, row, x + width - 1, line, Role::Plain);
    }
}
