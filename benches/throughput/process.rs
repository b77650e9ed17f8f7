//! What Linux says about a process: CPU time, memory, bytes written.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The kernel's clock tick of /proc/PID/stat: 100 a second on every Linux that user space can see.
const TICKS_PER_SECOND: u64 = 100;

#[derive(Clone, Copy)]
pub struct Usage {
    pub cpu: Duration,
    /// Bytes that were sent to a block device because of this process.
    pub written_bytes: u64,
}

pub fn usage(pid: u32) -> Usage {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The second field is the name in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("ticks")).sum();
    let cpu = Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
    Usage { cpu, written_bytes: number(&format!("/proc/{pid}/io"), "write_bytes:") }
}

pub fn rss_mib(pid: u32) -> f64 {
    number(&format!("/proc/{pid}/status"), "VmRSS:") as f64 / 1024.0
}

/// Lets this process and the servers it starts have as many connections as they may.
pub fn allow_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        eprintln!("RLIMIT_NOFILE stays as it is: parts with many connections may fail");
    }
}

/// Processor, memory, kernel and commit, for the head of the output.
pub fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_start_matches(['\t', ' ', ':']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{cores} x {model}, {} MiB, Linux {}, {}, commit {}",
        number("/proc/meminfo", "MemTotal:") / 1024,
        output("uname", &["-r"]),
        output("date", &["-u", "+%F %R UTC"]),
        output("git", &["rev-parse", "--short", "HEAD"]),
    )
}

fn number(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).expect("a file of /proc");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the line is there");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

fn output(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    output.map_or_else(|_| "?".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
