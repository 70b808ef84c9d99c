//! A film as one file: the viewer's page with everything it needs inside, for a browser that asks nobody for anything.
//!
//! Its content policy lets one script run, by its hash, and nothing be fetched or sent: a page that shows somebody's
//! terminal has no way out.

use std::fmt::Write as _;
use std::io::{self, Write};

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};
use shared::replay::Ask;

use super::cutting::Cutting;
use super::lab::{Room, develop};
use crate::relay::viewer_file;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum HtmlError {
    /// This binary has no viewer, or one that is not built as this expects.
    #[error("this sharer was built without its viewer: build it with ./scripts/build")]
    NoViewer,
    /// The recording cannot be read, or the file not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes a film as a page.
pub fn write(cutting: &Cutting, out: &mut (impl Write + ?Sized)) -> Result<(), HtmlError> {
    let parts = Parts::of_viewer().ok_or(HtmlError::NoViewer)?;
    let hash = BASE64.encode(&Sha256::digest(&parts.script));
    writeln!(
        out,
        "<!doctype html><html data-theme=auto lang=en><head><meta charset=utf-8>\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; script-src 'sha256-{hash}' \
         'wasm-unsafe-eval'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\
         <meta content=\"width=device-width,initial-scale=1,viewport-fit=cover,interactive-widget=resizes-content\" name=viewport>\
         <meta content=no-referrer name=referrer><meta content=\"light dark\" name=color-scheme><title>sharer</title>\
         <link href=data:, rel=icon><style>{}</style></head><body><noscript>This page plays a recorded terminal. It needs \
         JavaScript and WebAssembly.</noscript><p id=before>This page needs a newer browser: one with WebAssembly and ES modules.</p>",
        parts.style
    )?;
    let mut part = |id: &str, bytes: &[u8]| {
        write!(out, "<script type=application/octet-stream id=\"{id}\">")?;
        out.write_all(BASE64.encode(bytes).as_bytes())?;
        out.write_all(b"</script>\n")
    };
    let mut film = |ask: Ask, bytes: &[u8]| part(&format!("film-{}", ask.name()), bytes);
    film(Ask::Film, &cutting.film.encode())?;
    for (reel, talk) in cutting.talks.iter().enumerate() {
        if let Some(talk) = talk {
            film(Ask::Talk(reel), talk)?;
        }
    }
    let mut room = Room::default();
    for (reel, footage) in cutting.footage.iter().enumerate() {
        let Some((footage, offset)) = footage else { continue };
        let mut place = 0;
        develop(footage, *offset, |piece| {
            room.take(&piece)?;
            place += 1;
            film(Ask::Piece(reel, place - 1), &piece)
        })?;
    }
    part("viewer", parts.wasm)?;
    writeln!(out, "<script type=module>{}</script></body></html>", parts.script)?;
    Ok(())
}

/// What the viewer is made of.
struct Parts {
    style: String,
    script: String,
    /// Packed by gzip, which browsers unpack.
    wasm: &'static [u8],
}

impl Parts {
    fn of_viewer() -> Option<Self> {
        let text = |path: &str| std::str::from_utf8(viewer_file(path)?.plain).ok();
        let page = text("index.html")?;
        // Everything that the page names, in its order.
        let named = page.split(['=', ' ', '\'', '"', '>']).filter_map(|word| word.strip_prefix('/'));
        let (mut style, mut main, mut wasm) = (String::new(), None, None);
        for path in named {
            let ends = |end: &str| path.ends_with(end);
            if ends(".css") {
                style.push_str(text(path)?);
            } else if ends("_bg.wasm") {
                wasm = Some(viewer_file(path)?.gz);
            } else if ends(".js") && !path.contains('/') {
                main = text(path);
            }
        }
        let script = script(main?, |path| text(path.strip_prefix("./")?))?;
        // What would end the style or the script inside it.
        (!style.contains("</")).then_some(())?;
        Some(Self { style, script, wasm: wasm.filter(|wasm| !wasm.is_empty())? })
    }
}

/// One script from the page's main module and those that it imports; `None` if they are not of the form that
/// wasm-bindgen and our bundler give them.
fn script<'a>(main: &str, module: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut script = String::new();
    let mut begin = None;
    let mut known = Vec::new();
    for line in main.lines() {
        if let Some(import) = line.strip_prefix("import ") {
            let (names, path) = import.strip_suffix(';').unwrap_or(import).split_once(" from ")?;
            let path = path.trim_matches(['\'', '"']);
            let place = if let Some(place) = known.iter().position(|one| *one == path) {
                place
            } else {
                let (code, exports) = exports(module(path)?)?;
                // Writing into a string cannot fail.
                let _ = writeln!(
                    script,
                    "const part{} = (() => {{{code}\nreturn {{{exports}}};\n}})();",
                    known.len()
                );
                known.push(path);
                known.len() - 1
            };
            let names = if let Some(all) = names.trim().strip_prefix("* as ") {
                all.to_owned()
            } else {
                let some = names.trim().strip_prefix('{')?.strip_suffix('}')?;
                format!("{{{}}}", some.replace(" as ", ": "))
            };
            let _ = writeln!(script, "const {names} = part{place};");
        } else if let Some(list) = line.strip_prefix("export {") {
            let default = list.split(['}', ',']).find_map(|name| name.trim().strip_suffix(" as default"));
            begin = default.or(begin);
        } else {
            script.push_str(line.strip_prefix("export ").unwrap_or(line));
            script.push('\n');
        }
    }
    let _ = writeln!(
        script,
        "const packed = Uint8Array.from(atob(document.getElementById(\"viewer\").textContent), (c) => c.charCodeAt(0));\n\
         const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream(\"gzip\"));\n\
         await {}({{ module_or_path: await new Response(plain).arrayBuffer() }});",
        begin?
    );
    // Inside a string both mean the same, and nothing else has them.
    Some(script.replace("</script", "<\\/script").replace("<!--", "<\\!--"))
}

/// A module's code, and what it exports as the inside of an object.
fn exports(module: &str) -> Option<(&str, String)> {
    let (code, rest) = module.trim_end().rsplit_once("export{")?;
    let names = rest.strip_suffix(';').unwrap_or(rest).strip_suffix('}')?;
    let pair = |name: &str| match name.trim().split_once(" as ") {
        Some((own, other)) => format!("{other}:{own}"),
        None => name.trim().to_owned(),
    };
    Some((code, names.split(',').map(pair).collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_become_one_script() {
        let main = concat!(
            "import { mount, q as part } from './a/b.js';\nimport * as all from \"./a/b.js\"\n",
            "export class C {}\nlet x = '</script>';\nexport { sync, init as default };\n"
        );
        let made =
            script(main, |path| (path == "./a/b.js").then_some("var t=1;export{t as mount,q};")).unwrap();
        let begins = concat!(
            "const part0 = (() => {var t=1;\nreturn {mount:t,q};\n})();\n",
            "const { mount, q: part } = part0;\nconst all = part0;\nclass C {}\n"
        );
        assert!(made.starts_with(begins), "{made}");
        assert!(made.contains("'<\\/script>'") && !made.contains("export "), "{made}");
        assert!(made.contains("await init({ module"), "{made}");
        assert_eq!(script("import x from './a.js';", |_| Some("")), None);
        assert_eq!(script(main, |_| None), None);
    }
}
