use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// The most that one test may take, with all its deadlines. Far more than any does.
const LIMIT: Duration = Duration::from_secs(60);

/// The test that runs, and since when.
static RUNNING: Mutex<Option<(String, Instant)>> = Mutex::new(None);

/// Notes that a test begins: should it hang, the process is ended, with the test's name.
pub(crate) fn begin() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        // Without the thread a test that hangs does so.
        let _ = std::thread::Builder::new().name("testkit-watch".into()).spawn(watch);
    });
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    set(Some((name, Instant::now())));
}

/// Notes that the test has ended.
pub(crate) fn end() {
    set(None);
}

fn set(running: Option<(String, Instant)>) {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = running;
}

fn watch() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((name, _)) = running.filter(|(_, begun)| begun.elapsed() > LIMIT) {
            // Not `eprintln!`, which a test may have redirected, or hold the lock of.
            let text = format!("\n{name} has not ended within {LIMIT:?}\n");
            let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
            std::process::abort();
        }
    }
}
