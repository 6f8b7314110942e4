//! The pages themselves: markup, style and script, made once; the diagram and the look are the report's.

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
    /// The page of a run.
    pub(super) fn new() -> Self {
        let script = [
            include_str!("page/parts.js"),
            include_str!("page/controls.js"),
            include_str!("page/live.js"),
        ];
        Self::of("", &script)
    }

    /// The page of a store's replica.
    pub(super) fn of_replica() -> Self {
        let script = [
            include_str!("page/replica/ask.js"),
            include_str!("page/replica/press.js"),
            include_str!("page/replica/session.js"),
            include_str!("page/replica/tables.js"),
            include_str!("page/replica/value.js"),
            include_str!("page/replica/keys.js"),
            include_str!("page/replica/follow.js"),
            include_str!("page/replica/replica.js"),
        ];
        Self::of(include_str!("page/replica/replica.css"), &script)
    }

    /// Puts the parts of a page together: those that all have, and its own.
    fn of(style: &str, script: &[&str]) -> Self {
        let style = [
            draw::viewer_style(),
            report::page_style(),
            include_str!("page/page.css").to_owned(),
            style.to_owned(),
        ];
        let common = [
            report::theme_script(),
            draw::viewer_script(),
            "(() => {\n\"use strict\";\n",
            include_str!("page/elements.js"),
            include_str!("page/store.js"),
            include_str!("page/columns.js"),
            include_str!("page/diagram.js"),
        ];
        Self {
            style: style.join("\n"),
            script: [common.concat(), script.concat(), "})();\n".to_owned()].concat(),
        }
    }

    pub(super) fn replica_html() -> impl IntoResponse {
        Html(include_str!("page/replica/replica.html"))
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
