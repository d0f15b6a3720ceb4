//! Charts: each as two files, for light and for dark grounds, on which it is transparent.

mod bars;
mod lines;
mod theme;

use crate::names::{STATIC, place};
use crate::plan::SMALL;
use crate::row::Row;
use bars::Bar;
use lines::{Line, Panel};
use plotters::prelude::*;
use std::path::Path;
use theme::Theme;

const SIZE: (u32, u32) = (960, 440);

/// What drawing comes to. The error has its own text.
type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// All charts of which there are figures, into a directory that is there.
pub(crate) fn draw(rows: &[Row], machine: &str, directory: &Path) -> Result<(), String> {
    let rate = |row: &Row| row.per_second;
    let middle = |row: &Row| row.p50_us;
    let commands = "commands with user, session and limit";
    let rates = [panel(rows, "workers", "run", rate), panel(rows, commands, "command-attrs", rate)];
    let blocked = [
        panel(rows, "workers", "caller-blocked", middle),
        panel(rows, commands, "caller-blocked/command-attrs", middle),
    ];
    let first_bytes = first_bytes(rows);
    let rounds = rows.iter().map(|row| row.rounds).min().unwrap_or_default();
    let caption = format!("{machine}{rounds} rounds, in which all systems took turns");
    for theme in theme::ALL {
        let chart = |name: &str, is_empty: bool, paint: &dyn Fn(&Area<'_>) -> Drawn| {
            if is_empty {
                eprintln!("no chart `{name}`: there are no figures for it");
                return Ok(());
            }
            let file = directory.join(format!("{name}-{}.svg", theme.name));
            write(&file, &theme, &caption, paint).map_err(|error| format!("{}: {error}", file.display()))
        };
        let lines = |panels: &[Panel], title: &str| {
            let (title, panels) = (title.to_owned(), panels.to_vec());
            move |area: &Area<'_>| lines::paint(area, &theme, &title, &panels)
        };
        let is_empty = |panels: &[Panel]| panels.iter().all(|panel| panel.lines.is_empty());
        chart(
            "rate",
            is_empty(&rates),
            &lines(&rates, "Started per second, one at a time, by size of the main program"),
        )?;
        chart(
            "blocked",
            is_empty(&blocked),
            &lines(&blocked, "Microseconds inside the call that starts it (median), by size of the main program"),
        )?;
        chart("first-byte", first_bytes.is_empty(), &|area| bars::paint(area, &theme, &first_bytes))?;
    }
    Ok(())
}

fn panel(rows: &[Row], title: &'static str, case: &str, figure: fn(&Row) -> Option<f64>) -> Panel {
    let mut lines: Vec<Line> = Vec::new();
    // The others have one size only.
    let has_sizes = |system: &str| place(system) < place("pthread_create") && system != STATIC;
    let drawn = rows.iter().filter(|row| row.case == case && row.in_flight == 1 && has_sizes(&row.system));
    for row in drawn {
        let Some(value) = figure(row).filter(|value| *value > 0.0) else { continue };
        let point = (row.parent_mib as f64, value);
        match lines.iter_mut().find(|line| line.system == row.system) {
            Some(line) => line.points.push(point),
            None => lines.push(Line { system: row.system.clone(), points: vec![point] }),
        }
    }
    Panel { title, lines }
}

/// From the small program; those from spares, and the references, beside the others.
fn first_bytes(rows: &[Row]) -> Vec<Bar> {
    let of = |row: &Row| match (row.case.as_str(), row.system.as_str()) {
        ("first-byte", system) => Some(system.to_owned()),
        ("first-byte-spare", "anyfork") => Some("anyfork, spares".to_owned()),
        _ => None,
    };
    let small = rows.iter().filter(|row| row.parent_mib == SMALL);
    let bar = |row: &Row| Some(Bar { system: of(row)?, middle: row.p50_us?, high: row.p99_us });
    let mut bars: Vec<Bar> = small.filter_map(bar).collect();
    bars.sort_by(|a, b| a.middle.total_cmp(&b.middle));
    bars
}

fn write(file: &Path, theme: &Theme, caption: &str, paint: &dyn Fn(&Area<'_>) -> Drawn) -> Drawn {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    let caption: Vec<&str> = caption.lines().collect();
    let height = SIZE.1 as i32 - 16 * caption.len() as i32 - 10;
    let (upper, lower) = area.split_vertically(height);
    paint(&upper)?;
    for (number, line) in (0..).zip(caption) {
        lower.draw(&Text::new(line.to_owned(), (14, 6 + 16 * number), theme.font(11.0, theme.faint)))?;
    }
    area.present()?;
    drop((upper, lower, area));
    std::fs::write(file, text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, system: &str, mib: u64, figure: f64) -> Row {
        Row {
            case: case.into(),
            system: system.into(),
            parent_mib: mib,
            in_flight: 1,
            per_second: Some(figure),
            p50_us: Some(figure),
            p99_us: Some(figure * 2.0),
            p999_us: None,
            kib: None,
            rounds: 3,
            spread: Some(0.1),
        }
    }

    #[test]
    fn a_panel_has_a_line_for_each_system_and_a_point_for_each_size() {
        let rows = [
            row("run", "anyfork", 5, 100.0),
            row("run", "std", 5, 50.0),
            row("run", "anyfork", 2000, 99.0),
            row("run", "limit-forkloop", 5, 200.0),
            row("exec", "anyfork", 5, 10.0),
        ];
        let panel = panel(&rows, "", "run", |row| row.per_second);
        let lines: Vec<_> = panel.lines.iter().map(|line| (line.system.as_str(), line.points.len())).collect();
        assert_eq!(lines, [("anyfork", 2), ("std", 1)]);
    }

    #[test]
    fn bars_begin_with_the_shortest() {
        let rows = [
            row("first-byte", "anyfork", 5, 200.0),
            row("first-byte", "anyfork", 2000, 1.0),
            row("first-byte-spare", "anyfork", 5, 80.0),
            row("first-byte-spare", "socketpair", 5, 40.0),
        ];
        let systems: Vec<_> = first_bytes(&rows).into_iter().map(|bar| bar.system).collect();
        assert_eq!(systems, ["anyfork, spares", "anyfork"]);
    }
}
