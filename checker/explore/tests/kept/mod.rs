//! Files of the repository that are made by a command.

use std::fs;
use std::path::Path;

/// Compares a file, by its path in the repository, with what it has to be. `UPDATE_PICTURES=1`
/// writes it. What is wrong, if anything is.
pub(crate) fn compare(path: &str, now: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = root.join(path);
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        fs::write(&file, now).expect("the file can be written");
        return None;
    }
    match fs::read_to_string(&file) {
        Ok(kept) if kept == now => None,
        Ok(_) => Some(format!(
            "{path} isn't what it has to be; UPDATE_PICTURES=1 rewrites it"
        )),
        Err(error) => Some(format!("{path}: {error}; UPDATE_PICTURES=1 writes it")),
    }
}
