//! The operator's log.

use crate::generated::router::strowger::host::log as host;

/// Writes a line; fields are names and values.
pub fn log(level: host::Level, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    host::write(level, message, &fields);
}

/// Makes a panic say its words in the operator's log before it traps. The export macros call it.
#[doc(hidden)]
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| log(host::Level::Error, &panic.to_string(), &[])));
}

/// `info!("text {}", x)`: a line at that level.
#[macro_export]
macro_rules! info {
    ($($t:tt)*) => { $crate::log($crate::Level::Info, &format!($($t)*), &[]) };
}

/// `debug!("text {}", x)`: a line at that level.
#[macro_export]
macro_rules! debug {
    ($($t:tt)*) => { $crate::log($crate::Level::Debug, &format!($($t)*), &[]) };
}

/// `warn!("text {}", x)`: a line at that level.
#[macro_export]
macro_rules! warn {
    ($($t:tt)*) => { $crate::log($crate::Level::Warn, &format!($($t)*), &[]) };
}
