//! What the scripts refuse, and what they leave behind.

use std::path::Path;
use std::process::{Command, Output};

use e2e::harness::{Sandbox, root, sharer_bin};

/// Runs bash with the scripts' own functions.
fn bash(script: &str) -> Output {
    let library = root().join("scripts/lib.sh");
    let text = format!(". '{}'; {script}", library.display());
    Command::new("bash").args(["-c", &text]).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_viewer_that_is_not_whole_is_refused() {
    let sandbox = Sandbox::new();
    let dist = sandbox.path().join("dist");
    std::fs::create_dir(&dist).unwrap();
    let whole = || bash(&format!("whole_viewer '{}'", dist.display()));
    let fill = |name: &str, text: &str| std::fs::write(dist.join(name), text).unwrap();
    assert!(!whole().status.success(), "nothing is there");
    fill("index.html", "<p>");
    assert!(said(&whole()).contains("_bg.wasm is missing or empty"), "{}", said(&whole()));
    fill("viewer-web-0123_bg.wasm", "");
    assert!(said(&whole()).contains("0123_bg.wasm is missing or empty"), "{}", said(&whole()));
    fill("viewer-web-0123_bg.wasm", "\0asm");
    assert!(whole().status.success(), "{}", said(&whole()));
    fill("index.html", "");
    assert!(said(&whole()).contains("index.html is missing or empty"));
}

/// Whether the binary's own word about its viewer is understood by `scripts/build`: both answers, by the sentence itself.
#[test]
fn a_binary_without_its_viewer_is_refused() {
    let sandbox = Sandbox::new();
    let has = |binary: &Path| bash(&format!("has_viewer '{}'", binary.display())).status.success();
    assert!(has(&sharer_bin()), "the binary under test has its viewer");
    let without = sandbox.path().join("sharer");
    let script = format!("#!/bin/sh\ncat <<'END'\n{}\nEND\n", sharer_native::cli::version_of(false));
    std::fs::write(&without, script).unwrap();
    std::fs::set_permissions(&without, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert!(!has(&without));
    assert!(!has(&sandbox.path().join("nothing")));
}

#[test]
fn install_leaves_binary_completions_and_manual_and_takes_them_away_again() {
    let sandbox = Sandbox::new();
    let prefix = sandbox.path().join("prefix");
    let install = |more: &[&str]| {
        let output =
            Command::new(root().join("scripts/install")).arg("--prefix").arg(&prefix).args(more).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", said(&output));
    };
    install(&[]);
    let version = Command::new(prefix.join("bin/sharer")).arg("--version").output().unwrap();
    assert!(said(&version).starts_with("sharer "), "{}", said(&version));
    let files = [
        ("share/bash-completion/completions/sharer", "_sharer()"),
        ("share/zsh/site-functions/_sharer", "#compdef sharer"),
        ("share/fish/vendor_completions.d/sharer.fish", "complete -c sharer"),
        ("share/man/man1/sharer.1", ".TH sharer 1"),
    ];
    for (file, text) in files {
        let content = std::fs::read_to_string(prefix.join(file)).unwrap();
        assert!(content.contains(text), "{file}: {content}");
    }
    install(&["--uninstall"]);
    let left: Vec<_> = files.map(|(file, _)| file).into_iter().chain(["bin/sharer"]).collect();
    assert!(left.iter().all(|file| !prefix.join(file).exists()), "something of {left:?} is left");
}
