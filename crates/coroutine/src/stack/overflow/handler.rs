use std::ffi::{c_int, c_void};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::{io, mem, ptr};

use super::running::overflowed;

type Handler = extern "C" fn(c_int);
type InfoHandler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// What was done about SIGSEGV before. On Linux no guard makes a SIGBUS.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, unless it is.
pub(super) fn install() -> io::Result<()> {
    static IS_INSTALLED: Mutex<bool> = Mutex::new(false);

    let mut is_installed = IS_INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *is_installed {
        return Ok(());
    }
    // Known before it can be needed.
    let previous = action(None)?;
    let previous = PREVIOUS.get_or_init(|| previous);
    let mut ours = *previous;
    ours.sa_sigaction = handle as InfoHandler as usize;
    // Of the previous flags, those stay that say how its handler wants to be called.
    ours.sa_flags = previous.sa_flags & libc::SA_NODEFER | libc::SA_SIGINFO | libc::SA_ONSTACK;
    action(Some(&ours))?;
    *is_installed = true;
    Ok(())
}

/// Sets what is done about SIGSEGV, if it is given, and returns what was done.
fn action(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    // SAFETY: it is a structure of C, for which zeros are valid.
    let mut old: libc::sigaction = unsafe { mem::zeroed() };
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `new` is null or what a caller of this module has filled in: with a handler that
    // does async-signal-safe things alone, or the default.
    match unsafe { libc::sigaction(libc::SIGSEGV, new, &raw mut old) } {
        0 => Ok(old),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel calls with an `info` that it has filled in.
    let told = unsafe { &*info };
    // One that somebody has sent has no address.
    if told.si_code > 0 {
        // SAFETY: the code says that it is a fault, so that it has an address.
        let address = unsafe { told.si_addr() };
        if let Some((name, name_len, size)) = overflowed(address.addr()) {
            report(name, name_len, size);
            // SAFETY: it may be called in a signal handler.
            unsafe { libc::abort() };
        }
    }
    hand_on(signal, info, context);
}

/// Writes the message with one call, without allocating.
fn report(name: *const u8, name_len: usize, size: usize) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    let mut left = size;
    while left > 0 && first > 0 {
        first -= 1;
        digits[first] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    let part = |text: &[u8]| libc::iovec {
        iov_base: text.as_ptr().cast_mut().cast(),
        iov_len: text.len(),
    };
    let parts = [
        part(b"\ncoroutine \""),
        libc::iovec { iov_base: name.cast_mut().cast(), iov_len: name_len },
        part(b"\" has overflowed its stack of "),
        part(&digits[first..]),
        part(b" bytes\n"),
    ];
    // SAFETY: each part is memory that is valid for its length; the name is static.
    unsafe { libc::writev(libc::STDERR_FILENO, parts.as_ptr(), parts.len() as c_int) };
}

/// Does what would have been done without this handler.
fn hand_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: as in `handle`.
    let is_sent = unsafe { (*info).si_code } <= 0;
    let previous = PREVIOUS.get();
    match previous.map_or(libc::SIG_DFL, |previous| previous.sa_sigaction) {
        libc::SIG_IGN if is_sent => {}
        // The kernel does not let a fault be ignored either.
        libc::SIG_DFL | libc::SIG_IGN => end(signal),
        handler if previous.is_some_and(|action| action.sa_flags & libc::SA_SIGINFO != 0) => {
            // SAFETY: it was registered as a handler with these parameters.
            let handler = unsafe { mem::transmute::<usize, InfoHandler>(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: it was registered as a handler with this parameter.
            let handler = unsafe { mem::transmute::<usize, Handler>(handler) };
            handler(signal);
        }
    }
}

/// Lets the signal do what it does by default, when the handler returns: end the process.
fn end(signal: c_int) {
    // SAFETY: it is a structure of C, for which zeros are valid: the default, and no flags.
    let default: libc::sigaction = unsafe { mem::zeroed() };
    let _ = action(Some(&default));
    // A fault would come again by itself, but not one that was sent.
    // SAFETY: it may be called in a signal handler.
    unsafe { libc::raise(signal) };
}
