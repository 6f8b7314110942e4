//! A picture read back: its marks, messages, texts, and whether all of it is in bounds.

use std::collections::BTreeMap;

/// What a picture holds, in the order of the file.
pub(super) struct Picture {
    pub(super) events: Vec<String>,
    pub(super) messages: Vec<(String, String)>,
    pub(super) texts: Vec<String>,
    /// By event: its relation to the highlighted one.
    pub(super) relations: BTreeMap<String, String>,
    width: f64,
    height: f64,
    /// Every coordinate, with the element it belongs to.
    points: Vec<(f64, f64, String)>,
    /// Texts' boxes: left, top, right, bottom.
    boxes: Vec<([f64; 4], String)>,
}

/// Pixels that a mark may stand over the border of the picture.
const SLACK: f64 = 0.01;

impl Picture {
    pub(super) fn read(text: &str) -> Self {
        let document = roxmltree::Document::parse(text).unwrap();
        let root = document.root_element();
        let number = |node: roxmltree::Node<'_, '_>, name: &str| -> Option<f64> {
            node.attribute(name).map(|value| value.parse().unwrap())
        };
        let mut picture = Self {
            events: Vec::new(),
            messages: Vec::new(),
            texts: Vec::new(),
            relations: BTreeMap::new(),
            width: number(root, "width").unwrap(),
            height: number(root, "height").unwrap(),
            points: Vec::new(),
            boxes: Vec::new(),
        };
        for node in root.descendants().filter(roxmltree::Node::is_element) {
            let class = node.attribute("class").unwrap_or("");
            let attribute = |name: &str| node.attribute(name).unwrap().to_owned();
            if class.starts_with("event ") {
                picture.events.push(attribute("data-name"));
                picture
                    .relations
                    .insert(attribute("data-name"), attribute("data-relation"));
            }
            if class.starts_with("message ") {
                picture
                    .messages
                    .push((attribute("data-from"), attribute("data-to")));
            }
            let what = text.get(node.range()).unwrap().to_owned();
            for (x, y) in [("x", "y"), ("x1", "y1"), ("x2", "y2"), ("cx", "cy")] {
                if let (Some(x), Some(y)) = (number(node, x), number(node, y)) {
                    picture.points.push((x, y, what.clone()));
                }
            }
            if let Some(path) = node.attribute("d") {
                let points = points_of(path).into_iter().map(|(x, y)| (x, y, what.clone()));
                picture.points.extend(points);
            }
            if node.tag_name().name() == "text" {
                let content = node.text().unwrap_or("").to_owned();
                let (x, y, size) = (
                    number(node, "x").unwrap(),
                    number(node, "y").unwrap(),
                    number(node, "font-size").unwrap(),
                );
                let width = 0.5 * size * f64::from(u32::try_from(content.chars().count()).unwrap());
                let left = if node.attribute("text-anchor") == Some("middle") {
                    x - width / 2.0
                } else {
                    x
                };
                picture
                    .boxes
                    .push(([left, y - 0.7 * size, left + width, y], content.clone()));
                picture.texts.push(content);
            }
        }
        picture
    }

    /// Asserts that everything is inside and that no text lies over another.
    pub(super) fn check(&self) {
        assert!(self.points.len() > 10);
        for (x, y, what) in &self.points {
            let inside =
                (-SLACK..=self.width + SLACK).contains(x) && (-SLACK..=self.height + SLACK).contains(y);
            assert!(
                inside,
                "({x}, {y}) of {what} is outside of {} x {}",
                self.width, self.height
            );
        }
        for (place, (a, text)) in self.boxes.iter().enumerate() {
            assert!(
                a[0] >= 0.0 && a[2] <= self.width && a[3] <= self.height,
                "{text} is cut"
            );
            for (b, other) in &self.boxes[..place] {
                let apart = a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
                assert!(apart, "{text} {a:?} lies over {other} {b:?}");
            }
        }
    }
}

/// The points of a path of M, L, H, V, Q and Z, all of them absolute.
fn points_of(path: &str) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let mut at = (0.0, 0.0);
    let is_command = |character: char| character.is_ascii_uppercase();
    let starts: Vec<usize> = path.match_indices(is_command).map(|(place, _)| place).collect();
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(path.len());
        let values: Vec<f64> = path[start + 1..end]
            .split_whitespace()
            .map(|value| value.parse().unwrap())
            .collect();
        match (&path[*start..=*start], values.as_slice()) {
            ("H", [x]) => at.0 = *x,
            ("V", [y]) => at.1 = *y,
            ("M" | "L", [x, y]) => at = (*x, *y),
            ("Q", [control_x, control_y, x, y]) => {
                // The curve reaches at most half way to its control point.
                points.push((
                    (at.0 + 2.0 * control_x + x) / 4.0,
                    (at.1 + 2.0 * control_y + y) / 4.0,
                ));
                at = (*x, *y);
            }
            ("Z", []) => {}
            other => panic!("{other:?} in {path}"),
        }
        points.push(at);
    }
    points
}
