//! The command `socketserver`.
fn main() {}
