//! What the kernel says of this machine and of processes.

use std::time::Duration;

/// How much those yield that [`yields`] is about: next to nothing is theirs where others want the processor.
pub const NICE: i32 = 19;

/// Cores, processor and kernel, without names of hosts or people.
pub fn description() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or_else(|| "unnamed".to_owned(), |rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // The number alone: what follows names who built it.
    let kernel = kernel.trim().split('-').next().unwrap_or_default().to_owned();
    format!("{cores} cores ({model}), Linux {kernel}")
}

/// Today, as `YYYY-MM-DD` (UTC).
pub fn date() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // Civil date from days since 1970, by the era method of 400-year cycles.
    let days = i64::try_from(since.as_secs() / 86_400).unwrap_or_default() + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12 + 1);
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// How many processes wanted a core in the last minute, on average.
pub fn busy() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// Processor time that a process has used, all threads, user and system.
///
/// # Panics
/// When it does not run.
pub fn cpu(pid: u32) -> Duration {
    // Nanoseconds a thread; `stat` counts in ticks of 10 ms, too coarse for shares of a second.
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    let nanos = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Has all threads of a process let others go first.
///
/// # Panics
/// When it does not run.
pub fn yields(pid: u32) {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    let numbers = tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok());
    for thread in numbers.filter_map(rustix::process::Pid::from_raw) {
        // One that ended meanwhile has nothing to yield.
        let _ = rustix::process::setpriority_process(Some(thread), NICE);
    }
}

/// Processor time that a process has used since it had used `before`.
///
/// # Panics
/// When it does not run.
pub fn cpu_since(pid: u32, before: Duration) -> Duration {
    // A thread that ended takes its time with it.
    cpu(pid).saturating_sub(before)
}

/// A figure of `/proc/PID/smaps_rollup` or `/proc/PID/status`, in bytes.
fn figure(pid: u32, file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a running process");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") * 1024
}

/// Memory of its own that a process holds now: what its code occupies in the page cache is not counted.
///
/// # Panics
/// When it does not run.
pub fn memory(pid: u32) -> u64 {
    figure(pid, "status", "RssAnon:")
}

/// Memory that a process holds now, code included.
///
/// # Panics
/// When it does not run.
pub fn resident(pid: u32) -> u64 {
    figure(pid, "status", "VmRSS:")
}

/// How often threads of a process have waited for something, ever: each time one of them was woken again.
///
/// # Panics
/// When it does not run.
pub fn wakes(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    let waits = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("status")).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse::<u64>().ok())
    });
    waits.sum()
}

/// The most memory, code included, that a process ever held.
///
/// # Panics
/// When it does not run.
pub fn peak(pid: u32) -> u64 {
    figure(pid, "status", "VmHWM:")
}

/// The same, while it is there to be asked.
pub fn peak_if_there(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}
