//! A film for a browser on this computer: the viewer's page, and what its player asks for.
//!
//! Only who has the link gets anything of the film: its fragment is a token, which browsers send nowhere, and which the
//! page shows with every request. Pages of other origins are refused whatever they show.

use std::future::Future;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use shared::encoding::to_base64;
use shared::entropy::Entropy;
use shared::replay::Ask;

use super::ServeError;
use super::assets;
use super::http::{self, Refused, text};
use super::loopback::{Loopback, Seen};
use super::rules::Caller;

/// The port that is tried first: browsers keep the viewer's settings per origin.
const PORT: u16 = 4779;

/// A film that can be opened; who holds it serves it.
#[derive(Debug)]
pub struct Screening {
    here: Loopback,
    token: String,
}

impl Screening {
    /// Listens on loopback, with a new token.
    pub async fn open(entropy: &mut Entropy) -> Result<Self, ServeError> {
        let token = to_base64(&entropy.array::<32>());
        Ok(Self { here: Loopback::listen(PORT).await?, token })
    }

    /// What a browser on this computer opens.
    pub fn link(&self) -> String {
        format!("{}/r/#{}", self.here.base(), self.token)
    }

    /// Serves what `get` has of the film, until it is dropped.
    pub async fn serve<G, F>(self, get: G)
    where
        G: Fn(Ask) -> F + Clone + Send + 'static,
        F: Future<Output = Option<Bytes>> + Send + 'static,
    {
        let Self { here, token } = self;
        here.serve(move |request, seen| {
            let film = asked(&request, &seen, &token).map(|ask| ask.map(&get));
            async move {
                match film? {
                    Some(part) => match part.await {
                        Some(bytes) => Ok(octets(bytes)),
                        None => Err((StatusCode::NOT_FOUND, "there is no such part\n")),
                    },
                    None => page(&request),
                }
            }
        })
        .await;
    }
}

/// What part of the film is asked for, if one is and may be.
fn asked(request: &Request<Incoming>, seen: &Seen, token: &str) -> Result<Option<Ask>, Refused> {
    let Some(name) = request.uri().path().strip_prefix("/film/") else { return Ok(None) };
    if request.method() != Method::GET {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "only GET\n"));
    }
    let shown = text(request.headers(), AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    // By their hashes: how long that takes says nothing of the token.
    let good = shown.is_some_and(|shown| Sha256::digest(shown) == Sha256::digest(token));
    if !good || seen.caller == Caller::Foreign {
        return Err((StatusCode::FORBIDDEN, "open the link that `sharer replay` printed\n"));
    }
    Ask::parse(name).map(Some).ok_or((StatusCode::NOT_FOUND, "there is no such part\n"))
}

fn page(request: &Request<Incoming>) -> Result<Response<Body>, Refused> {
    match request.uri().path() {
        "/" => Err((StatusCode::NOT_FOUND, "open the link that `sharer replay` printed\n")),
        "/r/" if request.method() == Method::GET => Ok(http::file(&assets::page(), request.headers(), false)),
        _ => http::viewer(request),
    }
}

fn octets(bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}
