//! The viewer inside the binary, as `build.rs` packed it.

use std::sync::LazyLock;

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

/// One file of the viewer, in the three forms it is served in.
#[derive(Debug)]
pub(crate) struct Asset {
    /// Path below the root.
    pub(super) path: &'static str,
    pub(crate) plain: &'static [u8],
    pub(super) br: &'static [u8],
    pub(crate) gz: &'static [u8],
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Shown by a binary without a viewer.
const NO_VIEWER: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>sharer</title>\
<h1>This sharer was built without its viewer</h1>\
<p>The session is there, but this program has no page to show it. Build it with <code>./scripts/build</code>, \
or open the link in a terminal with <code>sharer join</code>.</p></html>";

/// Whether the viewer is inside.
pub(super) fn has_viewer() -> bool {
    find("index.html").is_some()
}

/// The file with that path below the root.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// The page at `/` and `/s/…`.
pub(super) fn page() -> Asset {
    page_of(find("index.html"))
}

/// The page for who reaches the relay at `base` through this program: it says so in its head.
pub(super) fn page_behind(base: &str) -> String {
    let base = base.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let page = String::from_utf8_lossy(page().plain);
    page.replacen("<title>", &format!("<meta name=\"relay\" content=\"{base}\"><title>"), 1)
}

fn page_of(viewer: Option<&Asset>) -> Asset {
    viewer.map_or(Asset { path: "index.html", plain: NO_VIEWER.as_bytes(), br: &[], gz: &[] }, |a| Asset {
        ..*a
    })
}

/// The page's content security policy, with the hashes of the scripts that Trunk writes into it.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| policy(&String::from_utf8_lossy(page().plain)));

fn policy(page: &str) -> String {
    let mut hashes = String::new();
    for script in inline_scripts(page) {
        hashes.push_str(" 'sha256-");
        BASE64.encode_append(&Sha256::digest(script), &mut hashes);
        hashes.push('\'');
    }
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{hashes}; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; object-src 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

fn inline_scripts(page: &str) -> impl Iterator<Item = &str> {
    page.split("<script").skip(1).filter_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script>")?;
        (!attributes.contains(" src=") && !script.is_empty()).then_some(script)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_viewer_the_page_says_so() {
        let text = |asset: Asset| String::from_utf8_lossy(asset.plain).into_owned();
        let whole = Asset { path: "index.html", plain: b"the viewer", br: &[], gz: &[] };
        assert_eq!(text(page_of(Some(&whole))), "the viewer", "the control");
        assert!(text(page_of(None)).contains("This sharer was built without its viewer"));
        assert!(inline_scripts(NO_VIEWER).next().is_none(), "its policy is the same");
    }

    #[test]
    fn the_page_behind_a_door_names_the_relay_and_nothing_gets_out_of_the_name() {
        let page = page_behind("https://relay.example/x");
        assert!(page.contains("<meta name=\"relay\" content=\"https://relay.example/x\"><title>"), "{page}");
        assert!(!page_behind("http://a\"><script>").contains("<script>\"><title>"));
        assert_eq!(policy(&page), *POLICY, "its scripts are the same");
    }

    #[test]
    fn inline_scripts_and_no_others_are_allowed_by_hash() {
        let page = "<script type=\"module\">\nfoo();\n</script><script src=\"/x.js\"></script><p>";
        assert_eq!(inline_scripts(page).collect::<Vec<_>>(), ["\nfoo();\n"]);
        let hash = BASE64.encode(&Sha256::digest("\nfoo();\n"));
        let policy = policy(page);
        assert!(
            policy.contains(&format!("script-src 'self' 'wasm-unsafe-eval' 'sha256-{hash}';")),
            "{policy}"
        );
        let scripts = policy.split(';').find(|part| part.contains("script-src")).unwrap();
        assert!(!scripts.contains("unsafe-inline") && !scripts.contains("'unsafe-eval'"));
    }
}
