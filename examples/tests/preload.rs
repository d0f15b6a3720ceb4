//! `preload`: a table shared by a template and its workers.

use crate::support::run;

#[test]
fn workers_share_the_table_and_read_all_of_it() {
    let lines = run("preload", &["64"]);
    let template = row(&lines, "template ");
    assert!(template.resident > 64.0, "the table is not in the template: {lines:#?}");
    let workers: Vec<Row> = lines.iter().filter(|line| line.starts_with("worker of")).map(|line| parse(line)).collect();
    assert_eq!(workers.len(), 4, "{lines:#?}");
    for worker in workers {
        assert!(worker.resident > 64.0 && worker.private < 4.0, "{lines:#?}");
        assert_eq!(worker.sum, expected_sum(64), "{lines:#?}");
    }
    let alone = row(&lines, "worker that loaded it");
    assert!(alone.private > 64.0, "the table has no cost of its own: {lines:#?}");
    assert_eq!(alone.sum, expected_sum(64), "{lines:#?}");
}

struct Row {
    resident: f64,
    private: f64,
    sum: String,
}

fn row(lines: &[String], start: &str) -> Row {
    let line = lines.iter().find(|line| line.starts_with(start));
    parse(line.unwrap_or_else(|| panic!("no row {start:?} in {lines:#?}")))
}

/// The first 24 columns say which process it is.
fn parse(line: &str) -> Row {
    let columns: Vec<&str> = line[24..].split_whitespace().collect();
    let number = |column: usize| columns[column].parse().unwrap_or_else(|_| panic!("no number in {line:?}"));
    let sum = columns.get(3).copied().unwrap_or_default().to_owned();
    Row { resident: number(0), private: number(1), sum }
}

/// The sum of the multiples of one number, without the table.
fn expected_sum(megabytes: u64) -> String {
    let entries = megabytes << 17;
    let sum = (entries * (entries - 1) / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{sum:016x}")
}
