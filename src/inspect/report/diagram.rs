//! The section with the space-time diagram: the viewer of `clocklab draw`, in the report's page.

use super::{Diagram, Section};
use crate::inspect::draw::{self, Choice, Limits, Positions};

/// Events of a run up to which the page holds it in memory to draw it; `clocklab draw` has no such limit.
pub const DIAGRAM_EVENTS_MAX: u64 = 5_000_000;

const STYLE: &str = "\
#space-time { height: min(46rem, 90vh); border: 1px solid var(--grid); border-radius: 6px; overflow: hidden; }
#space-time p { max-width: none; }
#space-time th { text-align: left; padding: 2px 10px 2px 0; }
#space-time td { text-align: left; white-space: normal; overflow-wrap: anywhere; padding: 2px 0; }
#space-time h2 { margin: 0; border: 0; }
@media print { #space-time { height: 30rem; } }
";

/// Mounts the viewer, in the page's theme. The wheel scrolls the page, and zooms with the control key.
const MOUNT: &str = "\
(() => {
  const root = document.documentElement;
  const theme = () => root.dataset.theme ?? \"auto\";
  const element = document.getElementById(\"space-time\");
  const data = JSON.parse(document.getElementById(\"diagram-data\").textContent);
  const handle = clocklab.mountDiagram(element, data, { theme: theme(), wheel: \"ctrl\", keys: \"element\" });
  document.addEventListener(\"clocklab-theme\", () => handle.setTheme(theme()));
})();
";

/// The diagram of a run, or why there is none.
pub(super) fn section(diagram: Diagram<'_>) -> Section {
    let mut section = Section {
        id: "diagram",
        title: "Space-time diagram",
        ..Section::default()
    };
    let drawn = diagram
        .history
        .ok_or_else(|| format!("the run has more than {DIAGRAM_EVENTS_MAX} events"));
    let drawn = drawn.and_then(|history| {
        let positions = Positions::new(history);
        let selection = Choice::default().of(history, &positions, &Limits::HTML);
        let mut selection = selection.map_err(|error| error.to_string())?;
        selection.told.extend_from_slice(diagram.aligned);
        selection.told.extend(draw::backward(history, &selection));
        Ok(draw::data(history, &positions, &selection))
    });
    match drawn {
        Ok(data) => {
            section.body = "<p class=\"hint\">Point at an event: its causal past, its future and what is concurrent \
                            stand apart. Click two, and their order is shown with the chain that proves it. Drag to \
                            pan; the wheel zooms with the control key; ? in the diagram lists the keys.</p>\n\
                            <div id=\"space-time\"></div>\n"
                .to_owned();
            section.style = format!("{}\n{STYLE}", draw::viewer_style()).into();
            section.data = Some(data);
            section.scripts = vec![draw::viewer_script().into(), MOUNT.into()];
        }
        Err(reason) => {
            section.body = format!(
                "<p class=\"note\">No diagram here: {}. `clocklab draw --window` draws a part of it.</p>\n",
                super::escape(&reason)
            );
        }
    }
    section
}
