//! Text inside HTML, SVG and JSON that a browser reads.

/// `text` so that it stands for itself between tags and inside quoted attributes of HTML and XML.
///
/// Control characters and the two others that XML does not allow become `�`.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// JSON so that it can stand inside a `<script>`: `<`, which only texts have, becomes `\u003c`.
pub(super) fn json_in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_a_text_is_escaped() {
        assert_eq!(
            escape("<a href=\"x\">'&'\u{1b}[0m\u{ffff} ü\n"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;\u{fffd}[0m\u{fffd} ü\n"
        );
        assert_eq!(
            json_in_script("{\"a\":\"</script><!--\"}"),
            "{\"a\":\"\\u003c/script>\\u003c!--\"}"
        );
    }
}
