//! `tour`: the first look.

use crate::support::{Example, number_after};
use std::path::Path;
use std::sync::LazyLock;

const SECTIONS: [&str; 6] = [
    "1. A template",
    "2. Ten workers",
    "3. Clients",
    "4. The processes, as the system sees them",
    "5. What goes wrong is told",
    "6. The end",
];

struct Tour {
    pid: u32,
    lines: Vec<String>,
}

/// One run for all tests, each of which looks at another part of it.
static TOUR: LazyLock<Tour> = LazyLock::new(|| {
    let example = Example::start("tour", &[]);
    let pid = example.pid();
    Tour { pid, lines: example.finish_well() }
});

/// The lines of a section, without its heading.
fn section<'a>(lines: &'a [String], title: &str) -> &'a [String] {
    let start = lines.iter().position(|line| line == title);
    let rest = &lines[start.unwrap_or_else(|| panic!("no section {title:?} in {lines:#?}")) + 2..];
    let end = rest.iter().position(|line| SECTIONS.contains(&line.as_str())).unwrap_or(rest.len());
    &rest[..end]
}

fn assert_line(lines: &[String], start: &str, end: &str) {
    let found = lines.iter().any(|line| line.starts_with(start) && line.ends_with(end));
    assert!(found, "no line {start:?} ... {end:?} in {lines:#?}");
}

#[test]
fn all_sections_are_there_in_order() {
    let lines = &TOUR.lines;
    let titles: Vec<&String> = lines.iter().filter(|line| SECTIONS.contains(&line.as_str())).collect();
    assert_eq!(titles, SECTIONS);
}

#[test]
fn the_word_list_is_deleted() {
    let lines = &TOUR.lines;
    let line = lines.iter().find(|line| line.starts_with("The word list: ")).expect("the word list");
    let path = Path::new(line.split_once(" MB, ").expect("a path").1);
    assert!(path.is_absolute() && !path.exists(), "{} is still there", path.display());
}

#[test]
fn clients_are_answered_by_the_workers() {
    let lines = &TOUR.lines;
    let workers = section(lines, SECTIONS[1]).iter().find_map(|line| line.strip_prefix("Processes ")).expect("pids");
    let workers: Vec<&str> = workers.trim_end_matches('.').split(' ').collect();
    assert_eq!(workers.len(), 10, "{lines:#?}");

    let clients = section(lines, SECTIONS[2]);
    let counts = clients.iter().find_map(|line| line.strip_prefix("Answers per worker: ")).expect("the counts");
    let counts = counts.trim_end_matches('.').split(", ").map(|count| count.split_once(": ").expect("PID: COUNT"));
    let (pids, counts): (Vec<&str>, Vec<u32>) =
        counts.map(|(pid, count)| (pid, count.parse::<u32>().expect("a count"))).unzip();
    assert_eq!(counts.iter().sum::<u32>(), 40, "{clients:#?}");
    assert!(pids.iter().all(|pid| workers.contains(pid)), "{clients:#?}");

    let answers: Vec<&String> = clients.iter().filter(|line| line.starts_with("  worker ")).collect();
    assert_eq!(answers.len(), 5, "{clients:#?}");
    answers.iter().for_each(|answer| assert_anagrams(answer));
}

/// `  worker PID: WORD is word N of M; of its letters: WORD, WORD`
fn assert_anagrams(answer: &str) {
    let letters = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    let word = answer.split(' ').nth(4).expect("a word");
    assert!(number_after(answer, " is word ") <= number_after(answer, " of "), "{answer}");
    let anagrams = answer.split_once("of its letters: ").expect("anagrams").1;
    for other in anagrams.split(", ").filter(|other| *other != "no other word") {
        assert!(other != word && letters(other) == letters(word), "{answer}");
    }
}

#[test]
fn the_tree_shows_main_program_templates_and_workers() {
    let Tour { pid: main, lines } = &*TOUR;
    let tree = section(lines, SECTIONS[3]);
    assert_line(tree, &format!("  {main:>7}  "), "/tour");
    let below = |depth: usize, title: &str| {
        let title = format!("  {}anyfork: {title} of {main} (tour)", "   ".repeat(depth));
        tree.iter().filter(|line| line.ends_with(&title)).count()
    };
    let counts = [below(1, "default template"), below(2, "words"), below(3, "tour::serve")];
    assert_eq!(counts, [1, 1, 10], "{tree:#?}");
}

#[test]
fn failures_are_typed_and_statuses_true() {
    let lines = &TOUR.lines;
    let failures = section(lines, SECTIONS[4]);
    assert_line(failures, "  an input too many: ", "Inputs");
    assert_line(failures, "      tour::serve, input 2: expected 1 input", "");
    assert_line(failures, "  no listener: ", "Inputs");
    assert_line(failures, "  a name that is wrong: ", "UnknownEntry");
    assert_line(failures, "      entry tour::serv: ", "the nearest is tour::serve");
    assert_line(failures, "  a preparation that fails: ", "Preparation");
    assert_line(failures, "  it called abort: signal: 6 (SIGABRT)", "");
    assert_line(failures, "  it was killed: signal: 9 (SIGKILL)", "");
    assert_line(failures, "  it returned code 42: ", "exit status: 42");
}

#[test]
fn workers_and_template_end() {
    let lines = &TOUR.lines;
    let end = section(lines, SECTIONS[5]);
    let ended = end.iter().filter(|line| line.contains("exit status: 0") && line.ends_with(" MB")).count();
    assert_eq!(ended, 10, "{end:#?}");
    // The main program and its default template are all that is left.
    let left: Vec<&String> = end.iter().skip_while(|line| !line.starts_with("Without its workers")).skip(2).collect();
    assert_eq!(left.len(), 2, "{end:#?}");
    assert!(left[1].contains("anyfork: default template of"), "{end:#?}");
}
