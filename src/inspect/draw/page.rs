//! The viewer's page: data, script and style in one file that asks the network for nothing.

use std::fmt::Write as _;

use super::{data::data, plan::Axis, positions::Positions, selection::Selection};
use crate::inspect::{
    history::{EventId, History},
    markup::escape,
    palette::Theme,
};

/// How a page begins.
#[derive(Clone, Copy, Debug)]
pub struct PageOptions {
    /// What the horizontal axis shows at first.
    pub axis: Axis,
    /// Its colours; `None`: as the reader's system says.
    pub theme: Option<Theme>,
    /// The event that is pinned at first.
    pub highlight: Option<EventId>,
}

/// The viewer: `clocklab.mountDiagram(element, data, options)`, and nothing else that a page could see.
#[must_use]
pub fn viewer_script() -> &'static str {
    concat!(
        "(() => {\n\"use strict\";\n",
        include_str!("viewer/model.js"),
        include_str!("viewer/causality.js"),
        include_str!("viewer/search.js"),
        include_str!("viewer/scales.js"),
        include_str!("viewer/scene.js"),
        include_str!("viewer/faults.js"),
        include_str!("viewer/paint.js"),
        include_str!("viewer/overlay.js"),
        include_str!("viewer/details.js"),
        include_str!("viewer/controls.js"),
        include_str!("viewer/mount.js"),
        "})();\n"
    )
}

/// The viewer's style: class names begin with `cl-`, colours are custom properties of `.cl-diagram`, those of the
/// static pictures and the figures among them.
#[must_use]
pub fn viewer_style() -> String {
    let (light, dark) = (Theme::Light.palette(), Theme::Dark.palette());
    let mut style = String::from(".cl-diagram {\n");
    for (name, light, dark) in [
        ("ground", light.background, dark.background),
        ("ink", light.ink, dark.ink),
        ("soft", light.faint, dark.faint),
        ("grid", light.grid, dark.grid),
        ("past", light.past, dark.past),
        ("future", light.future, dark.future),
        ("concurrent", light.concurrent, dark.concurrent),
        ("bad", light.bad, dark.bad),
    ] {
        let _ = writeln!(style, "  --cl-{name}: light-dark({light}, {dark});");
    }
    for (row, (light, dark)) in light.lines.iter().zip(dark.lines).enumerate() {
        let _ = writeln!(style, "  --cl-row-{row}: light-dark({light}, {dark});");
    }
    style + "}\n" + include_str!("viewer/viewer.css")
}

/// What the page may load: only what stands in it.
const POLICY: &str =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";

/// The page of a selection.
#[must_use]
pub fn page(
    history: &History,
    positions: &Positions,
    selection: &Selection,
    options: &PageOptions,
) -> String {
    let title = format!("Space-time diagram of run {}", history.name);
    let axis = match options.axis {
        Axis::Time => "time",
        Axis::Clock => "clock",
    };
    let theme = match options.theme {
        None => "auto",
        Some(Theme::Light) => "light",
        Some(Theme::Dark) => "dark",
    };
    let pinned = options
        .highlight
        .map_or(String::new(), |event| history.name_of(event));
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title>
<style>
{style}html, body {{ margin: 0; height: 100%; }}
#diagram {{ height: 100vh; height: 100dvh; }}
</style>
</head>
<body>
<main id="diagram" data-axis="{axis}" data-theme="{theme}" data-keys="page" data-pinned="{pinned}">
<noscript>This diagram is drawn by a script in this file; the browser has scripts switched off. `clocklab draw` also writes SVG.</noscript>
</main>
<script type="application/json" id="diagram-data">{data}</script>
<script>
{script}</script>
<script>
(() => {{
  const element = document.getElementById("diagram");
  const data = JSON.parse(document.getElementById("diagram-data").textContent);
  clocklab.mountDiagram(element, data, {{ ...element.dataset }});
}})();
</script>
</body>
</html>
"#,
        title = escape(&title),
        style = viewer_style(),
        script = viewer_script(),
        pinned = escape(&pinned),
        data = data(history, positions, selection),
    )
}
