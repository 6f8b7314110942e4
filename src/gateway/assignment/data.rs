//! GET `/data`: everything.

use hyper::StatusCode;

use super::{
    WAIT_US,
    said::{self, Said},
};
use crate::{
    gateway::{
        answer::{self, Response},
        body::{Body, Listing},
        call::Call,
        json,
        problem::Problem,
    },
    kv::{Action, Answer, Token},
};

/// Items of one scan.
const PAGE_ITEMS: u32 = 10_000;

/// How often a listing begins anew because something was written between its pages.
const TRIES_MAX: u32 = 5;

/// Most bytes of a listing: beyond it a client has to page through `/v1/keys`. All that are on their way at once are bounded
/// too, by [`Options`](crate::gateway::Options).
const LISTING_BYTES_MAX: usize = 64 << 20;

/// All keys and values. Each page is of one moment, and its token holds everything that was applied by then. So that a
/// listing of several pages is of one moment, too, it begins anew if something was applied in between, at most
/// [`TRIES_MAX`] times: then each page is of its own moment, and the metadata of the last.
pub(in crate::gateway) async fn list(mut call: Call<'_>) -> Result<Response, Problem> {
    let held = call.body().await?;
    let token = Said::read(held.bytes())?.token()?;
    for try_number in 1.. {
        let is_last = try_number == TRIES_MAX;
        if let Some(response) = pages(&call, token.clone(), is_last).await? {
            return Ok(response);
        }
    }
    Err(Problem::unexpected())
}

/// One try; `None` if something was applied between two pages and this is not the last try.
async fn pages(call: &Call<'_>, mut token: Token, is_last: bool) -> Result<Option<Response>, Problem> {
    let most = call.shared.options.listing_bytes_held_max;
    let full = |_| {
        let what = format!(
            "listings of more than {most} bytes are on their way: try again in a moment, or read page by page, with GET /v1/keys"
        );
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", what)
    };
    let mut listing = Listing::new(&call.shared.load.listing_bytes);
    let mut body = b"{\"items\":{".to_vec();
    let mut after = None;
    let (mut pages, mut has_items) = (0, false);
    loop {
        let action = Action::Scan {
            prefix: Box::default(),
            after,
            limit: PAGE_ITEMS,
        };
        let reply = call.ask(token.clone(), WAIT_US, action).await?;
        if pages > 0 && reply.token != token && !is_last {
            return Ok(None);
        }
        let Answer::Scanned { items, next } = reply.answer else {
            return Err(Problem::unexpected());
        };
        for (key, item) in &items {
            if has_items {
                body.push(b',');
            }
            has_items = true;
            // A member's name is a string, whatever bytes the key has.
            json::text(&mut body, &String::from_utf8_lossy(key));
            body.push(b':');
            json::content(&mut body, &item.content);
        }
        listing.push(std::mem::take(&mut body), most).map_err(full)?;
        if listing.len() > LISTING_BYTES_MAX {
            let what = format!("more than {LISTING_BYTES_MAX} bytes: read page by page, with GET /v1/keys");
            return Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE, "too-large", what));
        }
        token = reply.token;
        pages += 1;
        if next.is_none() {
            break;
        }
        after = next;
    }
    body.extend_from_slice(b"},");
    said::write_object(&mut body, &token);
    body.push(b'}');
    listing.push(body, most).map_err(full)?;
    let body = Body::Listing(listing);
    Ok(Some(answer::with_body(StatusCode::OK, answer::JSON, body)))
}
