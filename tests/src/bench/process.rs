//! Processor time and memory of a process, read from proc(5).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

/// Variables of a process.
pub(super) type EnvVars = BTreeMap<String, String>;

/// Linux reports processor time in /proc in this unit, whatever the kernel's own clock rate is.
pub(super) const TICK_MILLISECONDS: u64 = 10;

/// Processor time of a process and its threads so far, in user and kernel mode, in milliseconds,
/// rounded down to [`TICK_MILLISECONDS`].
pub(super) fn processor_milliseconds(process: u32) -> anyhow::Result<u64> {
    let stat = read(process, "stat")?;
    ticks(&stat).map(|ticks| ticks * TICK_MILLISECONDS)
}

fn ticks(stat: &str) -> anyhow::Result<u64> {
    // The second field is the program's name, which may contain anything; `utime` is the 14th.
    let (_, fields) = stat.rsplit_once(") ").context("a stat line without a name")?;
    let times = fields.split(' ').skip(11).take(2);
    let times: Vec<u64> = times.map(str::parse).collect::<Result<_, _>>()?;
    ensure!(times.len() == 2, "a stat line is cut short");
    Ok(times.iter().sum())
}

/// The peak memory of a process, in kilobytes.
pub(super) fn memory_kilobytes(process: u32) -> anyhow::Result<u64> {
    high_water(&read(process, "status")?)
}

fn high_water(status: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let figure = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(figure.context("no VmHWM")?.trim().parse()?)
}

/// The processes whose environment has all these variables.
pub(super) fn with_variables(variables: &[(&str, &str)]) -> anyhow::Result<Vec<u32>> {
    let wanted: Vec<String> =
        variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut found = Vec::new();
    for record in fs::read_dir("/proc").context("reading /proc")? {
        let name = record?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end meanwhile, and other users' processes cannot be read.
        let environment = fs::read(Path::new("/proc").join(&name).join("environ"));
        let environment = environment.unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        let given: Vec<&str> = environment.split('\0').collect();
        if wanted.iter().all(|variable| given.contains(&variable.as_str())) {
            found.push(process);
        }
    }
    Ok(found)
}

fn read(process: u32, name: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{process}/{name}");
    fs::read_to_string(&path).with_context(|| format!("reading {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_user_and_kernel_time_for_any_program_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat).unwrap(), 42);
        assert!(ticks("7 (cut) S 1").is_err());
    }

    #[test]
    fn peak_memory_is_found() {
        let status = "Name:\tx\nVmPeak:\t  9000 kB\nVmHWM:\t   4321 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(high_water(status).unwrap(), 4321);
        assert!(memory_kilobytes(std::process::id()).unwrap() > 100);
    }
}
