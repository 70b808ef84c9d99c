//! The shape of the source: arrows between modules, gates, versions that must agree, and named tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use e2e::harness::root;

/// `shared`'s modules from the bottom up: a module imports only from rows below its own, never from its own row.
/// A path stands for all below it that has no row of its own.
const ROWS: [&[&str]; 11] = [
    &["time", "entropy", "ordered", "encoding", "platform", "markdown"],
    &["id"],
    &["keys", "wire::source", "conversation", "command", "checkpoint"],
    &["event", "link", "orchestration"],
    &["chain", "recording"],
    &["seal", "input"],
    &["snapshot", "card", "pages"],
    &["wire"],
    &["connection", "orchestration::cascade"],
    &["sharer", "relay", "viewer", "driver"],
    &["replay"],
];

/// Imports inside a row or upwards that stand for now, as (who, what): key boxes are sealed by functions that need
/// no key type and belong below both.
const EXCEPTIONS: [(&str, &str); 2] =
    [("keys::epoch", "seal::open_random"), ("keys::epoch", "seal::seal_random")];

/// Modules that a module of `viewer-web` or `sharer-native` must not know: (crate, who, what).
const NEVER: [(&str, &str, &str); 14] = [
    ("viewer-web", "components", "shell"),
    ("viewer-web", "shell", "components"),
    ("viewer-web", "components", "app"),
    ("viewer-web", "shell", "app"),
    ("viewer-web", "xterm", "components"),
    ("viewer-web", "xterm", "shell"),
    ("sharer-native", "share", "cli"),
    ("sharer-native", "relay", "cli"),
    ("sharer-native", "relay", "share"),
    ("sharer-native", "relay", "join"),
    ("sharer-native", "driver", "cli"),
    ("sharer-native", "join", "cli"),
    ("sharer-native", "checkpoint", "cli"),
    ("sharer-native", "term", "share"),
];

/// What `shared` must not depend on: sockets, clocks, threads, randomness, pages.
const NOT_IN_SHARED: [&str; 8] =
    ["tokio", "leptos", "web-sys", "js-sys", "getrandom", "rand", "gloo-net", "futures"];

#[test]
fn imports_in_shared_point_down() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, text) in sources("shared/src") {
        let Some(own) = module(&path, "shared/src") else { continue };
        let Some(row) = row_of(&own) else { continue };
        for import in crate_imports(&product_code(&text)) {
            let Some(target) = row_of(&import) else { continue };
            seen += 1;
            let inside = own.split("::").next() == import.split("::").next();
            if !inside && target >= row && !EXCEPTIONS.contains(&(&own, &import)) {
                wrong.push(format!("{}: {own} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports must point down:\n{}", wrong.join("\n"));
    assert!(seen > 10, "only {seen} imports seen: the scan is broken");
}

#[test]
fn every_module_of_shared_has_a_row() {
    let text = read("shared/src/lib.rs");
    let names = text.lines().filter_map(|line| {
        let line = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    let missing: Vec<_> = names.filter(|name| *name != "tests" && row_of(name).is_none()).collect();
    assert!(missing.is_empty(), "give these a row in tidy.rs: {missing:?}");
}

#[test]
fn shells_keep_apart() {
    let mut wrong = Vec::new();
    for (krate, who, what) in NEVER {
        let dir = format!("{krate}/src");
        for (path, text) in sources(&dir) {
            let own = module(&path, &dir).unwrap_or_default();
            let top = own.split("::").next().unwrap_or_default();
            let imports = crate_imports(&product_code(&text));
            if top == who && imports.iter().any(|import| import.split("::").next() == Some(what)) {
                wrong.push(format!("{}: {who} must not know {what}", path.display()));
            }
        }
    }
    for (path, text) in sources("viewer-web/src") {
        if text.contains("term.bundle.js") && !path.ends_with("viewer-web/src/xterm.rs") {
            wrong.push(format!("{}: only xterm.rs knows xterm.js", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn shared_depends_on_nothing_that_acts_and_the_shells_not_on_each_other() {
    let dependencies = |krate: &str| -> BTreeSet<String> {
        let text = read(&format!("{krate}/Cargo.toml"));
        let mut table = String::new();
        let mut names = BTreeSet::new();
        for line in text.lines() {
            if line.starts_with('[') {
                line.clone_into(&mut table);
            } else if table.ends_with("dependencies]") && !table.contains("dev-") {
                let name = line.split([' ', '.', '=']).next().unwrap_or_default();
                names.insert(name.to_owned());
            }
        }
        names
    };
    let shared = dependencies("shared");
    assert!(shared.contains("serde"), "the scan is broken: {shared:?}");
    let wrong: Vec<_> = NOT_IN_SHARED.iter().filter(|name| shared.contains(**name)).collect();
    assert!(wrong.is_empty(), "shared must not depend on {wrong:?}");
    assert!(!dependencies("viewer-web").contains("sharer-native"));
    assert!(!dependencies("sharer-native").contains("viewer-web"));
}

#[test]
fn the_wasm_gate_has_one_spelling_and_stands_at_the_edges() {
    let mut wrong = Vec::new();
    for dir in ["shared", "viewer-web", "sharer-native", "tests/src"] {
        for (path, text) in sources(dir) {
            let platform = path.file_stem().is_some_and(|stem| stem == "platform")
                || path.components().any(|part| part.as_os_str() == "platform");
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let at = || format!("{}:{}: {}", path.display(), number + 1, line.trim());
                if code.contains("target_arch") || code.contains("wasm32") {
                    wrong.push(at());
                }
                if code.contains("target_family") && !(platform && code.contains(r#"target_family = "wasm""#))
                {
                    wrong.push(at());
                }
            }
        }
    }
    for krate in ["shared", "viewer-web", "sharer-native", "tests"] {
        for line in read(&format!("{krate}/Cargo.toml")).lines().filter(|line| line.contains("wasm")) {
            let gate = line.starts_with("[target.") && !line.contains(r#"target_family = "wasm""#);
            if gate || line.contains("target_arch") {
                wrong.push(format!("{krate}/Cargo.toml: {line}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "cfg(target_family = \"wasm\"), in platform modules only:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn modules_stand_beside_their_folders() {
    let found: Vec<_> = ["shared", "viewer-web", "sharer-native", "tests"]
        .iter()
        .flat_map(|dir| sources(dir))
        .map(|(path, _)| path)
        .filter(|path| path.ends_with("mod.rs"))
        .collect();
    assert!(found.is_empty(), "name.rs beside name/, no mod.rs: {found:?}");
}

#[test]
fn stories_wait_for_conditions() {
    for (path, text) in sources("tests/stories") {
        if path.ends_with("tidy.rs") {
            continue;
        }
        assert!(!text.contains("sleep("), "{}: wait for a condition instead", path.display());
    }
}

#[test]
fn pinned_versions_agree() {
    let tools = read("scripts/tools");
    let shell = |name: &str| {
        let prefix = format!("{name}=");
        tools
            .lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .unwrap_or_else(|| panic!("scripts/tools: {name}"))
    };
    let trunk = read("Trunk.toml");
    let quoted = |name: &str| {
        let prefix = format!("{name} = \"");
        let line = trunk.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("Trunk.toml: {name}")).trim_end_matches('"')
    };
    let wasm_bindgen = shell("wasm_bindgen_version");
    assert_eq!(quoted("wasm_bindgen"), wasm_bindgen);
    assert_eq!(quoted("wasm_opt"), format!("version_{}", shell("binaryen_version")));
    assert_eq!(quoted("trunk-version"), format!(">={}", shell("trunk_version")));
    let lock = read("Cargo.lock");
    let locked = lock.split("[[package]]").find(|part| part.contains("name = \"wasm-bindgen\"\n"));
    let line = format!("version = \"{wasm_bindgen}\"");
    assert!(
        locked.is_some_and(|part| part.contains(&line)),
        "Cargo.lock's wasm-bindgen is not {wasm_bindgen}"
    );
    let package: serde_json::Value = serde_json::from_str(&read("viewer-web/package.json")).unwrap();
    for table in ["dependencies", "devDependencies"] {
        for (name, version) in package[table].as_object().unwrap() {
            let version = version.as_str().unwrap();
            assert!(
                version.starts_with(|c: char| c.is_ascii_digit()),
                "{name}: {version} is no exact version"
            );
        }
    }
}

/// The acceptance table names tests as nextest does, with `::` for its space. That they passed is checked by
/// `scripts/test` after the run; this catches a wrong name while one works.
#[test]
fn tests_named_in_the_acceptance_table_exist() {
    let table = read("docs/acceptance.md");
    let all = all_tests();
    let crates = ["shared::", "sharer-native::", "e2e::"];
    let names: BTreeSet<&str> =
        table.split('`').filter(|part| crates.iter().any(|prefix| part.starts_with(prefix))).collect();
    assert!(!names.is_empty(), "docs/acceptance.md names no test");
    let missing: Vec<_> = names.iter().filter(|name| !all.contains_key(**name)).collect();
    assert!(missing.is_empty(), "docs/acceptance.md names tests that do not exist: {missing:#?}");
}

/// Every test function's name as nextest gives it, with where it is.
fn all_tests() -> BTreeMap<String, PathBuf> {
    let mut all = BTreeMap::new();
    let places = [
        ("shared/src", "shared"),
        ("shared/tests", "shared"),
        ("sharer-native/src", "sharer-native"),
        ("sharer-native/tests", "sharer-native"),
        ("tests/src", "e2e"),
        ("tests/stories", "e2e::stories"),
    ];
    for (dir, krate) in places {
        for (path, text) in sources(dir) {
            let own = module(&path, dir).map_or_else(|| krate.to_owned(), |own| format!("{krate}::{own}"));
            tests_of(&own, &path, &text, &mut all);
            // Modules that stand elsewhere.
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2) {
                let place = pair[0].strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]"));
                let name = pair[1].strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
                if let (Some(place), Some(name)) = (place, name) {
                    let path = path.with_file_name(place);
                    let text = read_to_string(&path).unwrap();
                    tests_of(&format!("{own}::{name}"), &path, &text, &mut all);
                }
            }
        }
    }
    assert!(all.contains_key("e2e::stories::tidy::pinned_versions_agree"), "the scan is broken: {all:#?}");
    all
}

fn tests_of(own: &str, path: &Path, text: &str, all: &mut BTreeMap<String, PathBuf>) {
    let mut inner: Vec<(usize, String)> = Vec::new();
    let (mut marked, mut raw) = (false, false);
    for line in text.lines() {
        // What a text holds over several lines closes no module.
        if raw {
            raw = !line.contains("\"#");
            continue;
        }
        raw = line.rsplit_once("r#\"").is_some_and(|(_, rest)| !rest.contains("\"#"));
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if line == "}" {
            inner.retain(|(depth, _)| *depth < indent);
        }
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            inner.push((indent, name.to_owned()));
        }
        marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let line = line.trim_start_matches("async ");
        if let Some(rest) = line.strip_prefix("fn ").filter(|_| marked || in_proptest(text, line)) {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            let inner: String = inner.iter().flat_map(|(_, name)| ["::", name]).collect();
            all.insert(format!("{own}{inner}::{name}"), path.to_owned());
            marked = false;
        }
    }
}

/// Arguments drawn with `in` exist in proptest's functions only.
fn in_proptest(text: &str, line: &str) -> bool {
    text.contains("proptest!") && line.contains(" in ")
}

/// All Rust files below a folder, with their text; nothing if the folder is not there (yet).
fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(dir)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if !path.ends_with("node_modules") && !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

fn read(path: &str) -> String {
    read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A file's module path below `dir`; none for the root of a crate.
fn module(path: &Path, dir: &str) -> Option<String> {
    let inside = path.strip_prefix(root().join(dir)).ok()?.with_extension("");
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let name = parts.join("::");
    // The root of a binary of tests in a folder of its own.
    let name = name.strip_suffix("::main").map_or(name.clone(), str::to_owned);
    (!["lib", "main"].contains(&name.as_str())).then_some(name)
}

/// The row of a module path, by its longest listed prefix.
fn row_of(name: &str) -> Option<usize> {
    let matches = |entry: &&str| name == *entry || name.starts_with(&format!("{entry}::"));
    let rows = ROWS.iter().enumerate().flat_map(|(row, names)| names.iter().map(move |entry| (row, entry)));
    rows.filter(|(_, entry)| matches(entry)).max_by_key(|(_, entry)| entry.len()).map(|(row, _)| row)
}

/// The text without comments and without unit tests, which may import what they like.
fn product_code(text: &str) -> String {
    let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    code.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The modules named after `crate::`, with one more segment where there is one.
fn crate_imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0_usize;
            let mut part = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.extend(path_start(&std::mem::take(&mut part))),
                    _ if depth == 0 => part.push(character),
                    _ => {}
                }
            }
            found.extend(path_start(&part));
        } else {
            found.extend(path_start(rest));
        }
    }
    found
}

/// The first two segments of a path that stands at the beginning of the text.
fn path_start(text: &str) -> Option<String> {
    let end = text.trim_start();
    let end: String = end.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
    let parts: Vec<_> = end.split("::").filter(|part| !part.is_empty()).take(2).collect();
    (!parts.is_empty()).then(|| parts.join("::"))
}

#[test]
fn the_scan_of_imports_finds_them() {
    let code = product_code(
        "use crate::{id::SessionId, time::{Now, Span}};\nuse crate::wire::codec; // crate::none\nfn f() { crate::relay::g() }\n#[cfg(test)]\nuse crate::viewer;",
    );
    let found: Vec<_> = crate_imports(&code).into_iter().collect();
    assert_eq!(found, ["id::SessionId", "relay::g", "time", "wire::codec"]);
    assert_eq!(
        (row_of("wire::codec"), row_of("orchestration::task"), row_of("orchestration::cascade")),
        (Some(7), Some(3), Some(8))
    );
    assert_eq!(row_of("widget"), None);
}
