//! HTTP: the viewer's files, health, metrics, and the handshake of the socket.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use shared::relay::Crowd;
use shared::wire::{BROWSER_SUBPROTOCOL, NATIVE_SUBPROTOCOL, RUNS_PATH, SOCKET_PATH};

use super::assets::{self, Asset};
use super::hub::Hub;
use super::rules::{Caller, Rules};
use super::runs;

/// What answers need.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) hub: Arc<Hub>,
    pub(super) rules: Rules,
    pub(super) crowd: Arc<Mutex<Crowd>>,
}

/// The answer to a request.
pub(super) enum Answer {
    /// This.
    Whole(Response<Body>),
    /// This, and the connection becomes a socket.
    Socket(Response<Body>),
    /// What [`runs::Asked::answer`] finds.
    Runs(runs::Asked),
}

pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Answers a request from `peer`.
pub(super) fn answer(site: &Site, peer: IpAddr, request: &Request<Incoming>) -> Answer {
    match route(site, peer, request) {
        Ok(Answer::Whole(response)) => Answer::Whole(dressed(response)),
        Ok(Answer::Socket(response)) => Answer::Socket(dressed(response)),
        Ok(Answer::Runs(asked)) => Answer::Runs(asked),
        Err((status, reason)) => Answer::Whole(dressed(plain(status, reason))),
    }
}

/// A response with the headers that all have (DESIGN 6).
pub(super) fn dressed(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(policy) = HeaderValue::from_str(&assets::POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Why a request is not answered with what it asks for.
pub(super) type Refused = (StatusCode, &'static str);

fn route(site: &Site, peer: IpAddr, request: &Request<Incoming>) -> Result<Answer, Refused> {
    let headers = request.headers();
    let one_host = headers.get_all(header::HOST).iter().count() == 1;
    let host = text(headers, header::HOST).filter(|_| one_host).unwrap_or_default();
    if !site.rules.host(host) {
        return Err((
            StatusCode::MISDIRECTED_REQUEST,
            "this relay is not reached under this name: --allow-host",
        ));
    }
    let path = request.uri().path();
    let caller = site.rules.caller(host, text(headers, header::ORIGIN));
    if path.starts_with("/api/") && caller == Caller::Foreign {
        return Err((StatusCode::FORBIDDEN, "not for pages of other origins"));
    }
    if path == SOCKET_PATH {
        return socket(request, caller).map(Answer::Socket);
    }
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    let response = match path {
        RUNS_PATH if reads => return Ok(Answer::Runs(runs::Asked::new(site, peer, request))),
        "/healthz" if reads => plain(StatusCode::OK, "ok\n"),
        "/metrics" if reads && site.rules.is_local(host, peer) => metrics(site),
        _ => viewer(request)?,
    };
    Ok(Answer::Whole(response))
}

/// The viewer's files.
pub(super) fn viewer(request: &Request<Incoming>) -> Result<Response<Body>, Refused> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "only GET"));
    }
    let headers = request.headers();
    Ok(match request.uri().path() {
        path if path == "/" || path.starts_with("/s/") => file(&assets::page(), headers, false),
        path => match path.strip_prefix('/').and_then(assets::find) {
            Some(asset) => file(asset, headers, asset.path != "index.html"),
            None => return Err((StatusCode::NOT_FOUND, "nothing here\n")),
        },
    })
}

/// The viewer's page, told that its socket is passed on to the relay at `relay`, whose links it is to show.
pub(super) fn page_of(request: &Request<Incoming>, relay: &str) -> Result<Response<Body>, Refused> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "only GET"));
    }
    let mut response = Response::new(Body::from(assets::page_behind(relay)));
    let html = HeaderValue::from_static(content_type("index.html"));
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    Ok(response)
}

/// The answer to a good WebSocket handshake.
pub(super) fn socket(request: &Request<Incoming>, caller: Caller) -> Result<Response<Body>, Refused> {
    let headers = request.headers();
    let has = |name, word: &str| {
        text(headers, name)
            .is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    let wanted = match caller {
        Caller::Native => NATIVE_SUBPROTOCOL,
        Caller::Page => BROWSER_SUBPROTOCOL,
        Caller::Foreign => return Err((StatusCode::FORBIDDEN, "not for pages of other origins")),
    };
    let upgrade = has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket");
    if !upgrade || request.method() != Method::GET {
        return Err((StatusCode::UPGRADE_REQUIRED, "this is a WebSocket"));
    }
    if text(headers, header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err((StatusCode::BAD_REQUEST, "WebSocket version 13 only"));
    }
    if !has(header::SEC_WEBSOCKET_PROTOCOL, wanted) {
        return Err((StatusCode::FORBIDDEN, "the subprotocol is missing"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or((StatusCode::BAD_REQUEST, "no key"))?;
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .header(header::SEC_WEBSOCKET_PROTOCOL, wanted)
        .body(Body::empty())
        .map_err(|_bad| (StatusCode::BAD_REQUEST, "bad handshake"))
}

pub(super) fn plain(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

pub(super) fn file(asset: &Asset, headers: &HeaderMap, immutable: bool) -> Response<Body> {
    let accepted = text(headers, header::ACCEPT_ENCODING).unwrap_or_default();
    let accepts =
        |word: &str| accepted.split(',').any(|part| part.split(';').next().map(str::trim) == Some(word));
    let (bytes, encoding) = if accepts("br") && !asset.br.is_empty() {
        (asset.br, Some("br"))
    } else if accepts("gzip") && !asset.gz.is_empty() {
        (asset.gz, Some("gzip"))
    } else {
        (asset.plain, None)
    };
    let mut response = Response::new(Body::from(bytes));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(asset.path)));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if immutable {
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        out.insert(header::CACHE_CONTROL, forever);
    }
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        _ => "application/octet-stream",
    }
}

fn metrics(site: &Site) -> Response<Body> {
    let stats = site.hub.stats();
    let mut body = String::new();
    for (name, value) in [
        ("sessions", stats.sessions as u64),
        ("viewers", stats.viewers as u64),
        ("connections", stats.connections as u64),
        ("held_bytes", stats.held_bytes),
        ("log_bytes", stats.log_bytes),
        ("rows", stats.rows as u64),
        ("row_bytes", stats.row_bytes as u64),
        ("kept_sessions", stats.kept as u64),
        ("kept_bytes", stats.kept_bytes),
        ("kept_damaged_total", stats.kept_damaged),
        ("kept_failed_total", stats.kept_failed),
        ("events_total", stats.events),
        ("joins_total", stats.joins),
        ("refusals_total", stats.refusals),
        ("received_bytes_total", stats.bytes_in),
        ("sent_bytes_total", stats.bytes_out),
    ] {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        // Writing to a string does not fail.
        let _written = writeln!(body, "# TYPE sharer_relay_{name} {kind}\nsharer_relay_{name} {value}");
    }
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response
}
