//! Passes on what kind of Python this is built for: `cfg(Py_GIL_DISABLED)` on free-threaded ones, and in
//! `of_python.rs` where `src/raw/undeclared.rs` finds its functions.

use std::env;
use std::path::PathBuf;

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    let block = format!("{}unsafe extern \"C\" {{ $($declared)* }}", library());
    let code = format!("macro_rules! of_python {{ ($($declared:tt)*) => {{ {block} }}; }}\n");
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    std::fs::write(folder.join("of_python.rs"), code).expect("cargo's folder can be written to");
}

/// On Windows each function needs the name of the DLL that has it. PyO3 names the DLL for what it declares
/// itself, and links nothing else. Elsewhere the interpreter that loads the module has them all.
fn library() -> String {
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("windows") {
        return String::new();
    }
    #[allow(deprecated)] // the PyO3 for free-threaded 3.13 has no method for it
    let name = pyo3_build_config::get().lib_name.as_ref().expect("each Python for Windows has a DLL");
    format!("#[link(name = \"{name}\", kind = \"raw-dylib\")] ")
}
