//! The page itself: markup, style and script, made once; the diagram and the look are the report's.

use axum::{
    http::header,
    response::{Html, IntoResponse},
};

use crate::inspect::{draw, report};

/// What a browser loads.
#[derive(Clone, Debug)]
pub(super) struct Page {
    style: String,
    script: String,
}

impl Page {
    /// Puts its parts together.
    pub(super) fn new() -> Self {
        let style = [
            draw::viewer_style(),
            report::page_style(),
            include_str!("page/page.css").to_owned(),
        ];
        let script = [
            report::theme_script(),
            draw::viewer_script(),
            "(() => {\n\"use strict\";\n",
            include_str!("page/store.js"),
            include_str!("page/columns.js"),
            include_str!("page/parts.js"),
            include_str!("page/diagram.js"),
            include_str!("page/controls.js"),
            include_str!("page/live.js"),
            "})();\n",
        ];
        Self {
            style: style.join("\n"),
            script: script.concat(),
        }
    }

    pub(super) fn html() -> impl IntoResponse {
        Html(include_str!("page/page.html"))
    }

    pub(super) fn style(&self) -> impl IntoResponse + use<> {
        (
            [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
            self.style.clone(),
        )
    }

    pub(super) fn script(&self) -> impl IntoResponse + use<> {
        (
            [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
            self.script.clone(),
        )
    }
}
