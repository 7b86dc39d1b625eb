use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::exit::Fatal;

/// Where programs are looked for without a `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Finds the program that `name` stands for, as `execvp(3)` does.
pub(super) fn find(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, Fatal> {
    let shown = name.to_string_lossy();
    if name.is_empty() {
        return Err(Fatal::permanent("the program's name is empty"));
    }
    if name.as_bytes().contains(&b'/') {
        let path = Path::new(name);
        check(path).map_err(|error| Fatal::permanent(format!("program {shown}: {error}")))?;
        return Ok(path.to_owned());
    }
    let folders = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    let mut refused = None;
    for folder in std::env::split_paths(folders) {
        // An empty entry stands for the working directory.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        let candidate = folder.join(name);
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                refused.get_or_insert((candidate, error));
            }
            Err(_) => {}
        }
    }
    Err(Fatal::permanent(match refused {
        Some((path, error)) => format!("program {}: {error}", path.display()),
        None => format!("program {shown}: not found in PATH"),
    }))
}

/// Whether `path` is a file that this user may run.
fn check(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(access(path, Access::EXEC_OK)?)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::find;

    fn found(name: &str, path: &str) -> Result<std::path::PathBuf, String> {
        find(OsStr::new(name), Some(OsStr::new(path))).map_err(|fatal| fatal.to_string())
    }

    #[test]
    fn a_name_is_looked_for_in_path_and_a_path_is_not() {
        assert_eq!(found("sh", "/nowhere:/bin").unwrap(), Path::new("/bin/sh"));
        assert_eq!(found("/bin/sh", "").unwrap(), Path::new("/bin/sh"));
        assert_eq!(found("sh", "/nowhere").unwrap_err(), "program sh: not found in PATH");
        assert!(find(OsStr::new("sh"), None).unwrap().ends_with("sh"));
        assert!(found("./sh", "/bin").unwrap_err().starts_with("program ./sh: No such file"));
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        assert_eq!(found("/bin", "").unwrap_err(), "program /bin: is a directory");
        assert!(found("/etc/passwd", "").unwrap_err().contains("Permission denied"));
        assert!(found("passwd", "/etc").unwrap_err().contains("/etc/passwd: Permission denied"));
        assert!(found("", "/bin").unwrap_err().contains("empty"));
    }
}
