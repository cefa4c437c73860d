//! Draws the figures of files as bars: `draw FILE.csv...` writes `FILE-throughput.svg` and its like beside each
//! file, as many pictures as the figures are enough for.

use elasticq_benches::bars::{PICTURES, svg};
use elasticq_benches::figures::Figures;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    let files: Vec<String> = env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: draw FILE.csv...");
        return ExitCode::from(2);
    }
    for file in &files {
        if let Err(error) = draw(file) {
            eprintln!("draw: {file}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn draw(file: &str) -> Result<(), Box<dyn Error>> {
    let figures = Figures::read(&fs::read_to_string(file)?)?;
    let stem = Path::new(file).with_extension("");
    for picture in PICTURES {
        if let Some(cases) = picture.of(&figures) {
            let drawn = format!("{}-{}.svg", stem.display(), picture.name);
            fs::write(&drawn, svg(&picture, &cases, &figures)?)?;
            println!("draw: written to {drawn}");
        }
    }
    Ok(())
}
