//! How much memory the process took at its highest.

/// Begins to measure anew, where the system can (Linux).
pub fn reset_peak_memory() {
    #[cfg(target_os = "linux")]
    // Where that is not allowed, the peak is that of the whole process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Bytes in memory at the highest since then; `None` where the system does not say.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}
