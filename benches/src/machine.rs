//! What a measurement was made on: the processor, how many of its threads this process may use, and the
//! system. Figures of different machines never belong in one table, so each table says which machine it is
//! about.

use std::process::Command;

/// The machine as the tables name it, "AMD EPYC, 2 hardware threads, Linux 6.1", say.
#[must_use]
pub fn machine() -> String {
    let system = printed(Command::new("uname").arg("-sr"));
    let system = system.as_deref().map_or(std::env::consts::OS, version);
    format!("{}, {} hardware threads, {system}", processor(), hardware_threads())
}

/// The model of the processor, or the instruction set where the system does not tell the model.
#[must_use]
pub fn processor() -> String {
    let description = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    model(&description)
        .map(str::to_owned)
        .or_else(|| printed(Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"])))
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// How many threads of this process may run at once.
#[must_use]
pub fn hardware_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The kind of processor that a model is of, as a part of a file's name: "intel-xeon", say.
#[must_use]
pub fn kind(model: &str) -> String {
    let plain = model.replace("(R)", "").replace("(TM)", "").to_lowercase();
    let words = plain.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.take(2).collect::<Vec<_>>().join("-")
}

/// A system's name and release up to the second number: "Linux 6.1" of "Linux 6.1.0-13-amd64".
fn version(system: &str) -> &str {
    system.match_indices('.').nth(1).map_or(system, |(end, _)| &system[..end])
}

/// The model in the text of `/proc/cpuinfo`.
fn model(description: &str) -> Option<&str> {
    let (_, model) = description.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'))?;
    Some(model.trim())
}

/// What a command prints, if it exists and succeeds.
fn printed(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_where_linux_tells_it() {
        let description = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC\nflags\t\t: fpu\n";
        assert_eq!(model(description), Some("AMD EPYC"));
        assert_eq!(model("processor\t: 0\nCPU part\t: 0xd0c\n"), None);
    }

    #[test]
    fn the_kind_is_the_maker_and_the_family() {
        for (model, expected) in [
            ("Intel(R) Xeon(R) Processor @ 2.80GHz", "intel-xeon"),
            ("AMD EPYC", "amd-epyc"),
            ("AMD EPYC 7B13 64-Core Processor", "amd-epyc"),
            ("Apple M1 Ultra", "apple-m1"),
            ("aarch64", "aarch64"),
        ] {
            assert_eq!(kind(model), expected);
        }
    }

    #[test]
    fn of_a_systems_release_two_numbers_are_told() {
        assert_eq!(
            ["Linux 6.1.0-13-amd64", "Darwin 24.1.0", "Linux 7.0"].map(version),
            ["Linux 6.1", "Darwin 24.1", "Linux 7.0"]
        );
    }

    #[test]
    fn the_machine_has_a_processor_threads_and_a_system() {
        let machine = machine();
        assert!(machine.starts_with(&processor()) && !processor().is_empty(), "{machine}");
        assert!(machine.contains(&format!(", {} hardware threads, ", hardware_threads())), "{machine}");
        assert!(!machine.ends_with(", "), "{machine}");
    }

    #[test]
    fn a_command_that_is_not_there_prints_nothing() {
        assert_eq!(printed(&mut Command::new("/no such command")), None);
    }
}
