//! Who wrote a file.

/// Name and version of this program, for provenance.
pub fn program() -> String {
    format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}
