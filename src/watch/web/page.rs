//! The page itself: markup, style and script, made once; the diagram and the look are the report's.

use axum::{
    http::header,
    response::{Html, IntoResponse},
};

use crate::inspect::{draw, report};

/// What a browser loads.
#[derive(Clone, Debug)]
pub(super) struct Page {
    html: String,
    style: String,
    script: String,
}

impl Page {
    /// The page of a server whose commands need `token`.
    pub(super) fn new(token: &str) -> Self {
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
            html: include_str!("page/page.html").replace("{token}", token),
            style: style.join("\n"),
            script: script.concat(),
        }
    }

    pub(super) fn html(&self) -> impl IntoResponse + use<> {
        Html(self.html.clone())
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
