//! `If-Match` and `If-None-Match` (RFC 9110, section 13.1).
//!
//! An entity tag is the text of a key's mark. Of a write's conditions at most one is known, and of a list one tag: what a
//! replica judges in one step is one comparison.

use hyper::{StatusCode, header};

use crate::{
    clock::VersionVector,
    gateway::{answer, call::Call, problem::Problem},
    kv::Condition,
};

/// The condition of a write.
pub(super) fn of_write(call: &Call<'_>) -> Result<Condition, Problem> {
    let (is, is_not) = (
        call.header(&header::IF_MATCH)?,
        call.header(&header::IF_NONE_MATCH)?,
    );
    match (is.map(str::trim), is_not.map(str::trim)) {
        (None, None) => Ok(Condition::Always),
        (Some("*"), None) => Ok(Condition::Present),
        (None, Some("*")) => Ok(Condition::Absent),
        (Some(tag), None) if tag.contains("\",") => Err(Problem::malformed(
            "If-Match names several entity tags: of a write one is known, or *",
        )),
        // A tag that none of our answers had, weak ones included, matches nothing.
        (Some(tag), None) => parse(tag).map(Condition::Unchanged).ok_or_else(|| {
            let detail = format!("If-Match: {tag} is no entity tag of this store, so it matches nothing");
            Problem::new(StatusCode::PRECONDITION_FAILED, "condition", detail)
        }),
        (None, Some(_)) => Err(Problem::malformed(
            "If-None-Match of a write has to be *: only if there is nothing yet",
        )),
        (Some(_), Some(_)) => Err(Problem::malformed(
            "If-Match and If-None-Match exclude each other here: give one of them",
        )),
    }
}

/// Whether a reader says that it has this already.
pub(super) fn is_known(call: &Call<'_>, mark: &VersionVector) -> Result<bool, Problem> {
    let Some(tags) = call.header(&header::IF_NONE_MATCH)? else {
        return Ok(false);
    };
    let now = answer::etag(mark);
    // A mark's text has commas, so a list is cut behind the quotes.
    let mut tags = tags.split("\",").map(|tag| tag.trim().trim_matches('"'));
    let is_same = |tag: &str| tag.strip_prefix("W/\"").unwrap_or(tag) == now.trim_matches('"');
    Ok(tags.any(|tag| tag == "*" || is_same(tag)))
}

/// The mark that an entity tag names.
pub(super) fn parse(tag: &str) -> Option<VersionVector> {
    let inside = tag.strip_prefix('"')?.strip_suffix('"')?;
    let mark: VersionVector = inside.parse().ok()?;
    (mark.to_string() == inside).then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_the_text_of_a_mark_in_quotes() {
        for text in ["\"1.7.3\"", "\"1.7.3,2.9.1\"", "\"-\""] {
            let mark = parse(text).expect(text);
            assert_eq!(answer::etag(&mark), text);
        }
        for text in [
            "1.7.3",
            "W/\"1.7.3\"",
            "\"\"",
            "\"x\"",
            "\"2.9.1,1.7.3\"",
            "\"1.7.3\", \"1.7.4\"",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
