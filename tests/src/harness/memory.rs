//! What is in a process's memory: every byte it could read or leak.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Names of the needles that are anywhere in the process's writable memory, freed blocks included.
///
/// # Panics
/// When the process is gone, or is not an own child.
pub fn found_in_memory(pid: u32, needles: &[(&'static str, Vec<u8>)]) -> Vec<&'static str> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("a running process");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("an own child's memory can be read");
    let mut found = vec![false; needles.len()];
    let mut read = 0;
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let Some((from, to)) = range.split_once('-').and_then(|(a, b)| Some((hex(a)?, hex(b)?))) else {
            continue;
        };
        if !rights.starts_with("rw") {
            continue;
        }
        let mut block = vec![0; usize::try_from(to - from).expect("an address space of this size")];
        // A mapping can go between the two looks; it held nothing that stays.
        let Ok(()) = memory.read_exact_at(&mut block, from) else { continue };
        read += block.len();
        for (found, (_, needle)) in found.iter_mut().zip(needles) {
            *found = *found || holds(&block, needle);
        }
    }
    assert!(read > 100_000, "only {read} bytes of memory were read");
    needles.iter().zip(found).filter(|(_, found)| *found).map(|((name, _), _)| *name).collect()
}

/// Whether `all` holds `part`; quick without optimisation too.
pub fn holds(all: &[u8], part: &[u8]) -> bool {
    let Some((&first, _)) = part.split_first() else { return true };
    let mut rest = all;
    while let Some(at) = rest.iter().position(|&byte| byte == first) {
        if rest[at..].starts_with(part) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}
