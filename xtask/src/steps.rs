//! The checks, in their order, and how they are run.

use crate::system;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Each forces a fallback in anyfork: a facility of the kernel counts as missing. The root manifest lists the same. With those tests that it does not concern.
const FALLBACKS: [(&str, &str); 6] = [
    ("anyfork_no_clone_into_cgroup", WAITING),
    ("anyfork_no_close_range", WAITING),
    ("anyfork_no_pidfd", NONE),
    ("anyfork_no_pidfd_hangup", NONE),
    ("anyfork_no_pidfd_info", NONE),
    ("anyfork_no_unshare", WAITING),
];

/// Tests of how a program waits for others, of what has to do with new processes alone.
const WAITING: &str =
    "binary(awaiting) | binary(backpressure) | binary(giving_up) | binary(pending) | binary(runtimes)";

const NONE: &str = "none()";

/// Left out of all runs with fallbacks: modules use none of what is treated as missing in another way than the rest does, and would be built once more for each; the others take long,
/// and do once more what shorter tests do.
const UNCONCERNED: &str = "binary(modules) | binary(model) | binary(corpus) | test(an_argument_of_4_gib_arrives)";

/// Crates outside of the workspace, as strangers would write them, and how they are tested.
const FIXTURES: [(&str, &[&str]); 5] =
    [("manual", &[]), ("library", &[]), ("library", &["--release", "--test=hello"]), ("plugin", &[]), ("runtime", &[])];

/// An example outside of the workspace: nothing else needs its C library.
const GLIB: &str = "examples/glib/Cargo.toml";

/// The fuzz targets, which are built for good by a nightly compiler only.
const FUZZ: &str = "fuzz/Cargo.toml";

/// For cargo's own runner, which has all tests of a file in one process: some look at the descriptors and children of theirs.
const ONE_BY_ONE: [&str; 2] = ["--", "--test-threads=1"];

/// Where that is built which has no shared libraries.
const STATIC: &str = "static";

/// One command, and what it checks.
pub(crate) struct Step {
    title: String,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

/// All steps. The whole suite is the last one, so that its summary ends the run.
pub(crate) fn all(skip_fallbacks: bool) -> Vec<Step> {
    let nextest = system::has_subcommand("nextest");
    let mut steps = formatting();
    steps.extend(lints());
    steps.extend(documentation());
    steps.extend(FIXTURES.iter().map(|(name, options)| fixture(name, options)));
    steps.push(Step::new("example glib", ["test", "--quiet", "--manifest-path", GLIB]).target_directory("fixtures"));
    if !skip_fallbacks {
        steps.extend(FALLBACKS.iter().map(|(fallback, unconcerned)| forced(fallback, unconcerned, nextest)));
    }
    steps.push(linked_statically(nextest));
    steps.push(soak(["--short"]));
    steps.push(mutants(nextest));
    steps.push(Step::new("documentation tests", ["test", "--doc", "--workspace", "--all-features"]));
    steps.extend(suite(nextest));
    steps
}

fn formatting() -> Vec<Step> {
    let mut steps = vec![Step::new("formatting", ["fmt", "--all", "--check"])];
    for name in ["manual", "library", "module", "plugin", "runtime"] {
        let step = Step::new(format!("formatting of the fixture {name}"), ["fmt", "--check", "--manifest-path"]);
        // All members of its workspace; `--all` would go on to anyfork.
        let packages: &[&str] = match name {
            "library" => &["--package=greeter", "--package=hello"],
            "module" => &["--package=module", "--package=palette"],
            _ => &[],
        };
        steps.push(step.with([manifest(name)]).with(packages));
    }
    steps.push(Step::new("formatting of the example glib", ["fmt", "--check", "--manifest-path", GLIB]));
    steps.push(Step::new("formatting of the fuzz targets", ["fmt", "--check", "--manifest-path", FUZZ]));
    steps
}

fn lints() -> [Step; 5] {
    let deny = ["--", "-D", "warnings"];
    [
        Step::new("lints", ["clippy", "--workspace", "--all-targets"]).with(deny),
        Step::new("lints with all features", ["clippy", "--package=anyfork", "--all-targets", "--all-features"])
            .with(deny),
        Step::new("lints without features", ["clippy", "--package=anyfork", "--all-targets", "--no-default-features"])
            .with(deny),
        Step::new("lints of the example glib", ["clippy", "--all-targets", "--manifest-path", GLIB])
            .target_directory("fixtures")
            .with(deny),
        Step::new("lints of the fuzz targets", ["clippy", "--manifest-path", FUZZ])
            .target_directory("fuzz")
            .variable("RUSTFLAGS", "--cfg fuzzing")
            // Nothing is linked, so it need not be there.
            .variable("CUSTOM_LIBFUZZER_PATH", "/libfuzzer.a")
            .with(deny),
    ]
}

fn documentation() -> [Step; 2] {
    let public = Step::new("documentation", ["doc", "--workspace", "--no-deps", "--all-features"]);
    let private = Step::new(
        "documentation of private items",
        ["doc", "--package=anyfork", "--no-deps", "--all-features", "--document-private-items"],
    );
    [public, private].map(|step| step.variable("RUSTDOCFLAGS", "-D warnings"))
}

fn fixture(name: &str, options: &[&str]) -> Step {
    Step::new(format!("fixture {name} {}", options.join(" ")), ["test", "--quiet", "--manifest-path"])
        .with([manifest(name)])
        .with(options)
        .target_directory("fixtures")
}

fn forced(fallback: &'static str, unconcerned: &str, nextest: bool) -> Step {
    let filter = format!("--filterset=not ({UNCONCERNED} | {unconcerned})");
    let runner = if nextest { ["nextest", "run", &filter] } else { ["test", "--tests", "--quiet"] };
    let step = Step::new(format!("suite with {fallback}"), runner)
        .with(["--package=anyfork-tests"])
        .configured(fallback, &format!("fallback/{fallback}"));
    if nextest { step } else { step.with(ONE_BY_ONE) }
}

/// As programs are that want to start their processes faster. Only some tests: nothing in anyfork depends on it but modules.
fn linked_statically(nextest: bool) -> Step {
    const TESTS: [&str; 5] = ["linked_statically", "worker", "command", "template", "async_entries"];
    let step = Step::new("tests linked statically", if nextest { ["nextest", "run"].as_slice() } else { &["test"] })
        .with(["--package=anyfork-tests"])
        .with(TESTS.map(|name| format!("--test={name}")))
        .linked_statically(STATIC);
    if nextest { step } else { step.with(ONE_BY_ONE) }
}

/// Builds the comparison as benchmarks are built, and the file that this makes. With or without shared libraries.
pub(crate) fn comparison(is_static: bool) -> (Step, PathBuf) {
    // Where the profile `bench` puts its programs.
    let file = "release/compare";
    let step = Step::new("the comparison", ["build", "--profile=bench", "--package=anyfork-compare"]);
    if is_static {
        return (step.linked_statically(STATIC), target().join(STATIC).join(system::host()).join(file));
    }
    (step, target().join(file))
}

/// Of an optimized build, as its users have it.
pub(crate) fn soak(arguments: impl IntoIterator<Item = impl AsRef<str>>) -> Step {
    Step::new("soak", ["run", "--release", "--package=anyfork-soak", "--"]).with(arguments)
}

/// Each soak must find what is put into the library for it. They sleep for the most part, so there are more at once than processors.
fn mutants(nextest: bool) -> Step {
    let step = Step::new("mutants of the soak", if nextest { ["nextest", "run"].as_slice() } else { &["test"] })
        .with(["--package=anyfork-soak", "--test=mutants"])
        .configured("anyfork_mutants", "mutants");
    if nextest { step.with(["--test-threads=4"]) } else { step.with(["--", "--test-threads=4"]) }
}

/// Those of [`soak`] that are tests.
pub(crate) fn slow_tests() -> Step {
    if system::has_subcommand("nextest") {
        let arguments = ["nextest", "run", "--profile=slow", "--run-ignored=only", "--package=anyfork-tests"];
        return Step::new("slow tests", arguments);
    }
    Step::new("slow tests", ["test", "--package=anyfork-tests", "--tests", "--", "--ignored"])
}

/// Benchmarks are not in it: without `--benches`, neither runner takes them for tests.
fn suite(nextest: bool) -> Vec<Step> {
    if nextest {
        return vec![Step::new("the whole suite", ["nextest", "run", "--workspace"])];
    }
    vec![
        Step::new("examples", ["build", "--workspace", "--examples"]),
        Step::new("the whole suite", ["test", "--workspace", "--tests"]).with(ONE_BY_ONE),
    ]
}

impl Step {
    fn new(title: impl Into<String>, arguments: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let title = title.into().trim_end().to_owned();
        Step { title, arguments: Vec::new(), variables: Vec::new() }.with(arguments)
    }

    fn with(mut self, arguments: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Its own one below the workspace's, so that the next step finds its objects as it left them. It is built more often than worked on: what debuggers and the next compilation
    /// would like to have is nine tenths of its size.
    fn target_directory(self, name: &str) -> Self {
        self.with([format!("--target-dir={}", target().join(name).display())])
            .variable("CARGO_INCREMENTAL", "0")
            .variable("CARGO_PROFILE_DEV_DEBUG", "0")
    }

    /// Built with `--cfg` and that flag, into a directory of its own.
    fn configured(self, flag: &str, directory: &str) -> Self {
        self.target_directory(directory).compiler_flags(&format!("--cfg {flag}"))
    }

    /// Built without shared libraries. With a target of its own, so that this does not hold for what runs in the compiler.
    fn linked_statically(self, directory: &str) -> Self {
        self.with([format!("--target={}", system::host())])
            .target_directory(directory)
            .compiler_flags("-Ctarget-feature=+crt-static")
    }

    /// Besides those of the caller.
    fn compiler_flags(self, more: &str) -> Self {
        let flags = env::var("RUSTFLAGS").unwrap_or_default();
        self.variable("RUSTFLAGS", format!("{flags} {more}").trim_start())
    }

    pub(crate) fn run(&self) -> Result<(), String> {
        let mut command = Command::new(system::cargo());
        command.current_dir(root()).args(&self.arguments).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // It would win over RUSTFLAGS.
        command.env_remove("CARGO_ENCODED_RUSTFLAGS");
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{} failed ({status}). To repeat it alone:\n    {self}", self.title)),
            Err(error) => Err(format!("{}: cargo could not be started: {error}", self.title)),
        }
    }
}

/// As one would type it, in the workspace.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={value:?} ")?;
        }
        write!(f, "cargo {}", self.arguments.join(" "))
    }
}

/// Runs the steps and stops at the first that fails.
pub(crate) fn run_all(steps: &[Step]) -> Result<(), String> {
    let start = Instant::now();
    let mut last = String::new();
    for (number, step) in (1..).zip(steps) {
        eprintln!("{last}\n== {number} of {}: {} (after {})", steps.len(), step.title, seconds(start.elapsed()));
        let begin = Instant::now();
        step.run()?;
        last = format!("== done in {}", seconds(begin.elapsed()));
    }
    Ok(())
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn manifest(fixture: &str) -> String {
    format!("tests/fixtures/{fixture}/Cargo.toml")
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the workspace")
}

pub(crate) fn target() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
