//! Makes a test of each block of Rust code in the pages of this checkout.
//!
//! The code may use `?` without a `main` around it, as readers expect it of a short example. What the test
//! needs for that is added here: an empty folder to run in, and a result at the end.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The folders that have pages; a test in Python knows this line.
const PLACES: [&str; 4] = [".", "docs", "docs/reference", "examples/monitoring"];
const FOLDER: &str = "let _folder = elasticq_pages::folder().unwrap();";
const RESULT: &str = "Ok::<(), Box<dyn std::error::Error>>(())";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let mut tests = String::new();
    for place in PLACES {
        let folder = root.join(place);
        println!("cargo:rerun-if-changed={}", folder.display());
        for page in pages(&folder)? {
            println!("cargo:rerun-if-changed={}", page.display());
            let text = fs::read_to_string(&page)?;
            for (line, code) in blocks(&text) {
                let name = page.file_stem().and_then(|stem| stem.to_str()).ok_or("a page without a name")?;
                let name: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
                let test = format!("```\n{}```", runnable(&code));
                writeln!(tests, "#[doc = {test:?}]\npub mod {}_line_{line} {{}}", name.to_lowercase())?;
            }
        }
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("pages.rs"), tests)?;
    Ok(())
}

fn pages(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    Ok(pages)
}

/// The blocks of Rust code in a page, each with the line of its fence.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match &mut block {
            Some((_, code)) if line.trim() != "```" => *code += &format!("{line}\n"),
            Some(_) => blocks.extend(block.take()),
            None if line.trim() == "```rust" => block = Some((number, String::new())),
            None => {}
        }
    }
    blocks
}

/// The code with what the test needs. Only the frame of a `main` of its own is left to the code.
fn runnable(code: &str) -> String {
    let Some(main) = code.lines().position(|line| line.contains("fn main(") && line.ends_with('{')) else {
        return format!("# {FOLDER}\n{code}# {RESULT}\n");
    };
    let mut lines: Vec<&str> = code.lines().collect();
    lines.insert(main + 1, FOLDER);
    lines.join("\n") + "\n"
}
