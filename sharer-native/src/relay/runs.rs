//! `GET /api/v1/agent/runs`: the rows of a task's children, for who shows a token of the parent's session.
//!
//! There are two answers besides the rows: 404 for everything that the asker may not know, malformed requests
//! included, by one path; and 429. Neither the token nor the task is ever logged.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use shared::id::TaskId;
use shared::keys::grant::Token;
use shared::orchestration::task::MAX_TASKS;
use shared::relay::{Runs, RunsError, RunsQuery, neighbourhood};

use super::http::{Site, dressed, plain, text};

/// Rows of a page when nobody says how many.
const DEFAULT_LIMIT: usize = 100;

/// What somebody asked.
pub(super) struct Asked {
    address: String,
    query: RunsQuery,
}

impl Asked {
    /// By a request from `peer`.
    pub(super) fn new(site: &Site, peer: IpAddr, request: &Request<Incoming>) -> Self {
        let address = neighbourhood(site.rules.sender(peer, request.headers()));
        let query = query(request.uri().query().unwrap_or_default(), token(request.headers()));
        Self { address, query }
    }

    /// The answer; of a kept session once it was read.
    pub(super) async fn answer(&self, site: &Site) -> Response<Body> {
        dressed(answer(site.hub.runs(&self.address, &self.query).await))
    }
}

fn answer(runs: Result<Runs, RunsError>) -> Response<Body> {
    match runs {
        Ok(runs) => {
            let mut response = Response::new(Body::from(runs.to_json()));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
        Err(RunsError::NotFound) => plain(StatusCode::NOT_FOUND, "nothing here\n"),
        Err(RunsError::RateLimited(ms)) => later(ms),
        // There was no place for it.
        Err(RunsError::Later(_)) => later(1_000),
    }
}

fn later(ms: u64) -> Response<Body> {
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "too many requests\n");
    let after = HeaderValue::from(ms.div_ceil(1_000));
    response.headers_mut().insert(header::RETRY_AFTER, after);
    response
}

/// The token that a request shows. One that shows none, or more than one, shows one that opens nothing, so that it
/// goes the way of all others.
fn token(headers: &HeaderMap) -> Token {
    let one = headers.get_all(header::AUTHORIZATION).iter().count() == 1;
    let shown = text(headers, header::AUTHORIZATION).filter(|_| one);
    let bearer = shown.and_then(|shown| shown.split_once(' '));
    bearer
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .and_then(|(_, token)| Token::from_base64(token.trim()))
        .unwrap_or(Token([0; 32]))
}

fn query(query: &str, token: Token) -> RunsQuery {
    let mut asked = RunsQuery { ancestor: TaskId(String::new()), token, after: None, limit: DEFAULT_LIMIT };
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = value.replace('+', " ");
        let Ok(value) = percent_decode_str(&value).decode_utf8() else { continue };
        match name {
            "ancestor_run_id" => asked.ancestor = TaskId(value.into_owned()),
            "cursor" => asked.after = Some(TaskId(value.into_owned())),
            "limit" => asked.limit = value.parse().map_or(DEFAULT_LIMIT, |n: usize| n.clamp(1, MAX_TASKS)),
            _ => {}
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_in_any_order_and_nonsense_is_nothing() {
        let read = |text| query(text, Token([0; 32]));
        let asked = read("limit=7&cursor=a%2Bb&ancestor_run_id=no+uuid%20%C3%A9&later=1");
        assert_eq!(asked.ancestor, TaskId("no uuid é".into()));
        assert_eq!((asked.after, asked.limit), (Some(TaskId("a+b".into())), 7));
        for (text, limit) in
            [("", 100), ("limit=", 100), ("limit=-1", 100), ("limit=0", 1), ("limit=99999", 512)]
        {
            assert_eq!(read(text).limit, limit, "{text}");
        }
        assert_eq!(read("ancestor_run_id=%ff&&=&x").ancestor, TaskId(String::new()));
    }

    #[test]
    fn one_bearer_token_counts_and_nothing_else() {
        let good = Token([7; 32]);
        let shown = |values: &[String]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            token(&headers)
        };
        let bearer = format!("Bearer {}", good.to_base64());
        assert_eq!(shown(std::slice::from_ref(&bearer)), good);
        assert_eq!(
            shown(&[bearer.to_lowercase().replacen(&good.to_base64().to_lowercase(), &good.to_base64(), 1)]),
            good
        );
        let none = Token([0; 32]);
        for values in [
            vec![],
            vec![bearer.clone(), bearer],
            vec![good.to_base64()],
            vec![format!("Basic {}", good.to_base64())],
            vec!["Bearer short".into()],
        ] {
            assert_eq!(shown(&values), none, "{values:?}");
        }
    }
}
