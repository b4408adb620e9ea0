//! Long forms of tests, for whom minutes are not enough: `SLUICE_SOAK=full`.

/// Whether the long forms are asked for.
pub fn is_full() -> bool {
    std::env::var("SLUICE_SOAK").is_ok_and(|value| value == "full")
}

/// A number of the short form, or of the long one.
pub fn soak<T>(short: T, full: T) -> T {
    if is_full() { full } else { short }
}
