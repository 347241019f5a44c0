//! What the operating system watches while a file is read.

use std::time::Duration;

/// Processor time that the current thread has used; the clock on the wall also counts what other programs use.
pub fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the structure it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// From now on this process aborts when it starts a program: reading a file must never do so.
#[cfg(target_os = "linux")]
pub fn close() {
    use std::sync::LazyLock;

    static CLOSED: LazyLock<()> = LazyLock::new(|| {
        extern "C" fn started(_signal: libc::c_int) {
            eprintln!("a program was started");
            std::process::abort();
        }
        const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
        const IS: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
        let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        // The number of the system call is the first word that a filter sees.
        let mut filter = [
            step(LOAD, 0, 0, 0),
            step(IS, 1, 0, libc::SYS_execve as u32),
            step(IS, 0, 1, libc::SYS_execveat as u32),
            step(ANSWER, 0, 0, libc::SECCOMP_RET_TRAP),
            step(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        let handler: extern "C" fn(libc::c_int) = started;
        // SAFETY: the kernel copies the filter during the call; the handler does nothing but abort.
        let closed = unsafe {
            libc::signal(libc::SIGSYS, handler as libc::sighandler_t);
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
        };
        assert!(closed, "the system takes no filter of system calls");
    });
    LazyLock::force(&CLOSED);
}

#[cfg(not(target_os = "linux"))]
pub fn close() {}
